/*
 * appeal — tasks that wait, found by the tickets that they have asked with.
 */
#include "bridge/appeal.h"

#include <unistd.h>

#include "base/mem.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/loop.h"

#define TICKETS_OF_A_PROCESS 32 /* bits */

struct appeal {
    struct list node;
    struct appeals *appeals;
    struct task *task;
    uint64_t ticket;
    ev_timer late;
};

void appeals_init(struct appeals *appeals, struct loop *loop,
                  bool (*send)(void *data, uint64_t ticket, struct slice what), void *data)
{
    *appeals = (struct appeals){.loop = loop, .send = send, .data = data};
    appeals->last_ticket = (uint64_t)getpid() << TICKETS_OF_A_PROCESS;
    list_init(&appeals->waiting);
}

static void appeal_free(struct appeal *appeal)
{
    ev_timer_stop(appeal->appeals->loop->ev, &appeal->late);
    list_remove(&appeal->node);
    appeal->appeals->count--;
    free(appeal);
}

static void on_cancelled(void *wait)
{
    appeal_free(wait);
}

static void on_late(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct appeal *appeal = timer->data;
    struct loop *loop = appeal->appeals->loop;
    struct task *task = appeal->task;

    appeal_free(appeal);
    lua_pushnil(task_thread(task));
    lua_pushliteral(task_thread(task), "the master does not answer");
    task_resume(task, 2);
    loop_flush(loop);
}

void appeals_answer(struct appeals *appeals, uint64_t ticket, bool is_done, struct slice text)
{
    for (struct list *node = appeals->waiting.next; node != &appeals->waiting; node = node->next) {
        struct appeal *appeal = CONTAINER_OF(node, struct appeal, node);
        struct task *task = appeal->task;
        if (appeal->ticket != ticket)
            continue;
        appeal_free(appeal);
        lua_pushboolean(task_thread(task), is_done);
        lua_pushlstring(task_thread(task), text.start, text.length);
        task_resume(task, 2);
        return;
    }
}

static struct appeal *appeal_create(struct appeals *appeals, struct task *task)
{
    struct appeal *appeal = mem_zeroed(sizeof(*appeal));

    appeal->appeals = appeals;
    appeal->task = task;
    appeal->ticket = ++appeals->last_ticket;
    ev_timer_init(&appeal->late, on_late, APPEAL_SECONDS_MAX, 0);
    appeal->late.data = appeal;
    ev_timer_start(appeals->loop->ev, &appeal->late);
    list_push_back(&appeals->waiting, &appeal->node);
    appeals->count++;
    return appeal;
}

static int refuse(lua_State *thread, const char *why)
{
    lua_pushnil(thread);
    lua_pushstring(thread, why);
    return 2;
}

/* (what): whether it was done, and the master's answer; or nil, and why it was not asked. */
static int ask(lua_State *thread)
{
    struct slice what;
    what.start = luaL_checklstring(thread, 1, &what.length);
    const struct services *services = task_generation_of(thread)->services;
    if (services == NULL)
        return luaL_error(thread, "this call works only while the gateway serves");
    struct task *task = task_awaiting(thread);
    struct appeals *appeals = services->appeals;

    if (appeals->count == APPEALS_MAX)
        return refuse(thread, "too many wait for the master already");
    struct appeal *appeal = appeal_create(appeals, task);
    if (!appeals->send(appeals->data, appeal->ticket, what)) {
        appeal_free(appeal);
        return refuse(thread, "the master cannot be reached");
    }
    return task_suspend(task, on_cancelled, appeal);
}

const luaL_Reg MASTER_LIBRARY[] = {{"ask", ask}, {NULL, NULL}};
