/*
 * timing — sleeping, further tasks, and waiting for several: the library "moongate.core.task".
 *
 * A task that was spawned works for the same exchange as its parent, unless it is detached, and is
 * cancelled with whoever waits for it.
 */
#include <assert.h>
#include <lauxlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/loop.h"

/* Tasks that one call may start and wait for. */
#define GROUP_MAX 256
/* Of each of them that are kept: a value, and why there is none. */
#define RESULTS_MAX 2
/* Of a task that is spawned, its function included. */
#define ARGUMENTS_MAX 256

struct sleep {
    ev_timer timer;
    struct task *task;
    struct loop *loop;
};

static void on_awake(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct sleep *sleep = timer->data;
    struct task *task = sleep->task;
    struct loop *loop = sleep->loop;

    free(sleep);
    task_resume(task, 0);
    loop_flush(loop);
}

static void on_sleep_cancelled(void *wait)
{
    struct sleep *sleep = wait;
    ev_timer_stop(sleep->loop->ev, &sleep->timer);
    free(sleep);
}

static struct loop *loop_of(lua_State *thread)
{
    const struct services *services = task_generation_of(thread)->services;
    if (services == NULL)
        luaL_error(thread, "this call works only while the gateway serves");
    assert(services != NULL); /* luaL_error() does not return */
    return services->loop;
}

/* From now on, not from when the turn of the loop began, as its timers count. */
static double from_now(const struct loop *loop, double seconds)
{
    return seconds > 0 ? seconds + clock_monotonic() - loop_uptime(loop) : 0;
}

/* (seconds) */
static int sleep_for(lua_State *thread)
{
    double seconds = luaL_checknumber(thread, 1);
    struct loop *loop = loop_of(thread);
    struct task *task = task_awaiting(thread);
    struct sleep *sleep = mem_zeroed(sizeof(*sleep));

    sleep->task = task;
    sleep->loop = loop;
    sleep->timer.data = sleep;
    ev_timer_init(&sleep->timer, on_awake, from_now(loop, seconds), 0);
    ev_timer_start(loop->ev, &sleep->timer);
    return task_suspend(task, on_sleep_cancelled, sleep);
}

/* Moves function and arguments, all that is on `from`, to the state's main stack. */
static int hand_over(lua_State *from, lua_State *vm)
{
    int count = lua_gettop(from);
    if (count > ARGUMENTS_MAX)
        luaL_error(from, "a task takes at most %d arguments", ARGUMENTS_MAX - 1);
    lua_xmove(from, vm, count);
    return count - 1;
}

static void on_detached_ended(enum task_end end, lua_State *thread, void *data)
{
    struct generation *generation = data;
    if (end == TASK_RETURNED)
        return;
    struct slice text = generation_push_traceback(generation, thread);
    log_write(LOG_ERROR, "a spawned task raised: %.*s", SLICE_FORMAT(text));
    accounts_count_task_error(&generation->accounts,
                              WORKER_STEP_PLUGIN(worker_place_step(generation->tasks.place)));
    lua_pop(generation->vm, 1);
}

/* Whether the running task works for a request, or was spawned by one that did. */
static bool is_for_request(const struct tasks *tasks)
{
    return tasks->running != NULL && task_is_for_request(tasks->running);
}

/* (function, ...): runs on its own until its generation ends, which waits for what a request has
 * spawned. */
static int spawn(lua_State *thread)
{
    struct generation *generation = task_generation_of(thread);
    luaL_checktype(thread, 1, LUA_TFUNCTION);
    struct task_options options = {
        .ended = on_detached_ended,
        .data = generation,
        .may_wait = true,
        .phase = WORKER_PHASE_TASK,
        .is_detached = true,
        .started = loop_monotonic(loop_of(thread)),
        .holds_generation = is_for_request(&generation->tasks),
    };
    const char *why_not = tasks_why_no_room(&generation->tasks);
    if (why_not != NULL)
        return luaL_error(thread, "%s", why_not);
    int arguments = hand_over(thread, generation->vm);
    task_start(&generation->tasks, arguments, &options);
    return 0;
}

struct group;

struct member {
    struct group *group;
    struct task *task; /* NULL once it has ended */
    int index;
};

/* Several tasks and the one that waits for them. */
struct group {
    struct generation *generation;
    struct task *waiting; /* NULL while the members are being started */
    int results;          /* registry reference: results by index, then errors under "error" */
    int left, count;
    bool ends_early; /* with the first that raises or returns false; the others are cancelled */
    bool is_over;
    struct member members[];
};

static void group_free(struct group *group)
{
    luaL_unref(group->generation->vm, LUA_REGISTRYINDEX, group->results);
    free(group);
}

static void group_resume(struct group *group)
{
    struct task *task = group->waiting;
    lua_State *thread = task_thread(task);

    lua_rawgeti(thread, LUA_REGISTRYINDEX, group->results);
    group_free(group);
    task_resume(task, 1);
}

/* results[index] = the table on top of the main stack. */
static void keep_row(const struct member *member)
{
    struct group *group = member->group;
    lua_State *vm = group->generation->vm;

    if (group->results == LUA_NOREF) {
        lua_createtable(vm, group->count, 0);
        group->results = luaL_ref(vm, LUA_REGISTRYINDEX);
    }
    lua_rawgeti(vm, LUA_REGISTRYINDEX, group->results);
    lua_insert(vm, -2);
    lua_rawseti(vm, -2, member->index);
    lua_pop(vm, 1);
}

/* { error = text } */
static void keep_error(const struct member *member, struct slice text)
{
    lua_State *vm = member->group->generation->vm;
    lua_createtable(vm, 0, 1);
    lua_pushlstring(vm, text.start, text.length);
    lua_setfield(vm, -2, "error");
    keep_row(member);
}

/* { what it returned first } */
static void keep_results(const struct member *member, lua_State *thread)
{
    lua_State *vm = member->group->generation->vm;
    int count = lua_gettop(thread) < RESULTS_MAX ? lua_gettop(thread) : RESULTS_MAX;

    lua_createtable(vm, count, 0);
    for (int i = 1; i <= count; i++) {
        lua_pushvalue(thread, i);
        lua_xmove(thread, vm, 1);
        lua_rawseti(vm, -2, i);
    }
    keep_row(member);
}

static void cancel_members(struct group *group)
{
    for (int i = 0; i < group->count; i++) {
        if (group->members[i].task != NULL)
            task_cancel(&group->members[i].task);
    }
}

static bool has_failed(enum task_end end, lua_State *thread)
{
    return end == TASK_RAISED || (lua_gettop(thread) > 0 && !lua_toboolean(thread, 1));
}

static void count_ended(struct group *group, bool is_failed)
{
    group->left--;
    if (group->ends_early && is_failed) {
        group->is_over = true;
        cancel_members(group);
    }
}

static void on_member_ended(enum task_end end, lua_State *thread, void *data)
{
    struct member *member = data;
    struct group *group = member->group;

    member->task = NULL;
    if (end == TASK_RETURNED) {
        keep_results(member, thread);
    } else {
        keep_error(member, generation_push_traceback(group->generation, thread));
        lua_pop(group->generation->vm, 1);
    }
    count_ended(group, has_failed(end, thread));
    if (group->waiting != NULL && (group->is_over || group->left == 0))
        group_resume(group);
}

static void on_group_cancelled(void *wait)
{
    struct group *group = wait;
    cancel_members(group);
    group_free(group);
}

static struct group *group_create(lua_State *thread, int count)
{
    struct group *group = mem_zeroed(sizeof(struct group) + (size_t)count * sizeof(struct member));
    group->generation = task_generation_of(thread);
    group->count = group->left = count;
    group->results = LUA_NOREF;
    return group;
}

/* Runs the function on top of `thread`, up to its first wait. */
static void start_member(struct member *member, lua_State *thread, struct exchange *exchange)
{
    struct group *group = member->group;
    struct tasks *tasks = &group->generation->tasks;
    struct task_options options = {
        .ended = on_member_ended,
        .data = member,
        .exchange = exchange,
        .ledger = tasks->ledger,
        .is_part = true,
        .may_wait = true,
    };
    const char *why_not = tasks_why_no_room(tasks);

    if (why_not != NULL) {
        lua_pop(thread, 1);
        keep_error(member, slice_from_string(why_not));
        count_ended(group, true);
        return;
    }
    lua_xmove(thread, tasks->vm, 1);
    struct task *started = task_start(tasks, 0, &options);
    if (started != NULL)
        member->task = started;
}

static void start_members(lua_State *thread, struct group *group, struct exchange *exchange)
{
    for (int i = 0; i < group->count && !group->is_over; i++) {
        struct member *member = &group->members[i];
        *member = (struct member){.group = group, .index = i + 1};
        lua_rawgeti(thread, 1, i + 1);
        start_member(member, thread, exchange);
    }
}

/*
 * (list of functions, ends early) -> list of { results } or { error = text }, when all have ended,
 * or, if it ends early, one has failed: then what was cancelled has no results. nil: nothing has.
 */
static int join(lua_State *thread)
{
    luaL_checktype(thread, 1, LUA_TTABLE);
    struct task *task = task_awaiting(thread);
    int count = (int)lua_objlen(thread, 1);

    if (count > GROUP_MAX)
        return luaL_error(thread, "at most %d tasks at once", GROUP_MAX);
    struct group *group = group_create(thread, count);
    group->ends_early = lua_toboolean(thread, 2);
    start_members(thread, group, task_exchange(task));
    if (group->left == 0 || group->is_over) {
        lua_rawgeti(thread, LUA_REGISTRYINDEX, group->results);
        group_free(group);
        return 1;
    }
    group->waiting = task;
    return task_suspend(task, on_group_cancelled, group);
}

const luaL_Reg TASK_LIBRARY[] = {
    {"sleep", sleep_for},
    {"spawn", spawn},
    {"join", join},
    {NULL, NULL},
};
