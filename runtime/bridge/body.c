/*
 * body — waiting for whole bodies: the library "moongate.core.body".
 *
 * A body that cannot be had (too large, the client left) ends the phase: the coroutine that waits
 * is cancelled, and the gateway answers with the fault.
 */
#include <lauxlib.h>

#include "bridge/decision.h"
#include "bridge/libraries.h"
#include "gateway/gateway.h"

/* In the exchange's arena. */
struct body_wait {
    struct exchange *exchange;
    struct task *task; /* NULL when it was cancelled meanwhile */
};

static void on_cancel(void *data)
{
    struct body_wait *wait = data;
    wait->task = NULL;
}

static void on_collected(void *data, enum fault fault, struct slice body)
{
    struct body_wait *wait = data;

    if (fault != FAULT_NONE) {
        decision_fail_waiting(wait->exchange, fault);
        return;
    }
    struct task *task = wait->task;
    if (task == NULL)
        return;
    lua_pushlstring(task_thread(task), body.start, body.length);
    task_resume(task, 1);
}

static const char *why_not(const struct exchange *exchange, double serial, const struct task *task,
                           enum exchange_step step)
{
    if (exchange == NULL || !exchange_is_alive(exchange, serial))
        return "this request has already been answered";
    if (task_exchange(task) != exchange)
        return "a body can be read only by its own request's plugins";
    if (exchange->step != step)
        return step == EXCHANGE_DECIDING ? "this body can be read only in the request phase"
                                         : "this body can be read only in the response phase";
    if (exchange->private.collection.is_active)
        return "the body is being read already";
    return NULL;
}

/* The exchange that arguments 1 and 2 (slot, serial) mean, if the running task is one of its own.
 */
static struct exchange *exchange_argument(lua_State *thread, const struct task *task,
                                          enum exchange_step step)
{
    struct gateway *gateway = task_generation_of(thread)->services->gateway;
    struct exchange *exchange = gateway_exchange(gateway, (uint32_t)luaL_checknumber(thread, 1));
    const char *reason = why_not(exchange, luaL_checknumber(thread, 2), task, step);

    if (reason != NULL)
        luaL_error(thread, "%s", reason);
    return exchange;
}

typedef void collect_body(struct exchange *exchange, uint64_t bytes_max,
                          void (*collected)(void *data, enum fault fault, struct slice body),
                          void *data);

/* (slot, serial, limit or -1) -> body */
static int wait_for_body(lua_State *thread, enum exchange_step step, collect_body *collect)
{
    struct task *task = task_awaiting(thread);
    struct exchange *exchange = exchange_argument(thread, task, step);
    double limit = luaL_checknumber(thread, 3);
    uint64_t bytes_max = limit < 0 ? exchange->body_bytes_max : (uint64_t)limit;
    struct body_wait *wait = arena_alloc(&exchange->arena, sizeof(*wait));

    *wait = (struct body_wait){exchange, task};
    collect(exchange, bytes_max, on_collected, wait);
    return task_suspend(task, on_cancel, wait);
}

static int request_body(lua_State *thread)
{
    return wait_for_body(thread, EXCHANGE_DECIDING, exchange_collect_body);
}

static int response_body(lua_State *thread)
{
    return wait_for_body(thread, EXCHANGE_RESPONDING, exchange_collect_response_body);
}

const luaL_Reg BODY_LIBRARY[] = {
    {"request", request_body},
    {"response", response_body},
    {NULL, NULL},
};
