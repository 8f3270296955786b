/*
 * flight_library — waiting for what somebody finds out: the library "moongate.core.flight".
 */
#include <assert.h>
#include <lauxlib.h>

#include "base/mem.h"
#include "bridge/flights.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"

struct flight_wait {
    struct object_wait wait; /* while it waits */
    ev_timer timer;
    struct task *task;
    struct flights *flights;
    size_t key_length;
    char key[]; /* of what is found out anew: looked up again when that is over */
};

static struct object_store *store_of(const struct flight_wait *wait)
{
    return &flights_values(wait->flights)->store;
}

static uint64_t now_ns(const struct flights *flights)
{
    return (uint64_t)(loop_now(flights_loop(flights)) * 1e9);
}

static void push(lua_State *thread, enum value_kind kind, struct slice text)
{
    lua_pushinteger(thread, (lua_Integer)kind);
    if (kind == VALUE_UNKNOWN)
        lua_pushnil(thread);
    else
        lua_pushlstring(thread, text.start, text.length);
}

/* The value that was held; of what is there anew, the one by its key. */
static void push_outcome(lua_State *thread, struct flights *flights, const struct object_hold *hold,
                         struct slice key)
{
    struct values *values = flights_values(flights);
    struct object_progress progress;
    struct slice text;

    object_store_progress(&values->store, hold, &progress);
    bool is_replaced = progress.refreshes > 0 || progress.is_removed;
    enum value_kind kind = VALUE_UNKNOWN;
    if (is_replaced && progress.state == OBJECT_IS_COMPLETE)
        kind = values_get(values, key, now_ns(flights), &text);
    else
        kind = values_read(values, hold, &text);
    push(thread, kind, text);
}

static void free_wait(struct flight_wait *wait)
{
    object_store_release(store_of(wait), &wait->wait.hold);
    ev_timer_stop(flights_loop(wait->flights)->ev, &wait->timer);
    free(wait);
}

/* Until what is held is over. False: it is by now, or nobody could tell. */
static bool go_on_waiting(struct flight_wait *wait, bool *cannot)
{
    bool is_new = true;

    *cannot = false;
    while (is_new && values_is_flying(flights_values(wait->flights), &wait->wait.hold)) {
        object_store_progress(store_of(wait), &wait->wait.hold, &wait->wait.seen);
        if (object_store_wait(store_of(wait), &wait->wait, &is_new))
            return true;
        *cannot = !is_new;
    }
    return false;
}

static void on_ready(struct object_wait *told)
{
    struct flight_wait *wait = CONTAINER_OF(told, struct flight_wait, wait);
    struct task *task = wait->task;
    bool cannot;

    if (go_on_waiting(wait, &cannot))
        return;
    push_outcome(task_thread(task), wait->flights, &wait->wait.hold,
                 slice_of(wait->key, wait->key_length));
    free_wait(wait);
    task_resume(task, 2);
}

static void on_late(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct flight_wait *wait = timer->data;
    struct task *task = wait->task;
    struct loop *loop = flights_loop(wait->flights);

    object_store_wait_cancel(&wait->wait);
    free_wait(wait);
    task_resume(task, 0);
    loop_flush(loop);
}

static void on_cancelled(void *data)
{
    struct flight_wait *wait = data;
    object_store_wait_cancel(&wait->wait);
    free_wait(wait);
}

static struct flight_wait *make(struct flights *flights, struct slice key)
{
    struct flight_wait *wait = mem_zeroed(sizeof(*wait) + key.length);

    wait->flights = flights;
    wait->timer.data = wait;
    wait->wait.ready = on_ready;
    wait->key_length = key.length;
    if (key.length > 0)
        memcpy(wait->key, key.start, key.length);
    return wait;
}

/* By the number of a flight of this worker, or by key; false: it is over already. */
static bool hold(lua_State *thread, struct flights *flights, struct slice key,
                 struct object_hold *held)
{
    double number = lua_tonumber(thread, 1);

    return number > 0 ? flights_hold(flights, number, held)
                      : values_hold_flight(flights_values(flights), key, now_ns(flights), held);
}

static void set_timer(struct flight_wait *wait, double seconds)
{
    ev_timer_init(&wait->timer, on_late, seconds > 0 ? seconds : 0, 0);
    ev_timer_start(flights_loop(wait->flights)->ev, &wait->timer);
}

static int wait_for(lua_State *thread, struct task *task, struct flight_wait *wait, double seconds)
{
    bool cannot;

    wait->task = task;
    if (go_on_waiting(wait, &cannot)) {
        set_timer(wait, seconds);
        return task_suspend(task, on_cancelled, wait);
    }
    if (cannot) {
        lua_pushboolean(thread, false);
        lua_pushnil(thread);
    } else {
        push_outcome(thread, wait->flights, &wait->wait.hold,
                     slice_of(wait->key, wait->key_length));
    }
    free_wait(wait);
    return 2;
}

/*
 * (number of a flight or 0, key, seconds) -> kind, text: the outcome, enum value_kind; nil: not in
 * that time; false: it cannot be waited for.
 */
static int await(lua_State *thread)
{
    struct slice key, text;
    luaL_checknumber(thread, 1);
    key.start = luaL_checklstring(thread, 2, &key.length);
    double seconds = luaL_checknumber(thread, 3);
    const struct services *services = task_generation_of(thread)->services;
    if (services == NULL)
        return luaL_error(thread, "this call works only while the gateway serves");
    struct task *task = task_awaiting(thread);
    struct object_hold held;

    if (!hold(thread, services->flights, key, &held)) {
        enum value_kind kind =
            values_get(flights_values(services->flights), key, now_ns(services->flights), &text);
        push(thread, kind, text);
        return 2;
    }
    struct flight_wait *wait = make(services->flights, key);
    wait->wait.hold = held;
    return wait_for(thread, task, wait, seconds);
}

const luaL_Reg FLIGHT_LIBRARY[] = {
    {"await", await},
    {NULL, NULL},
};
