/*
 * task — anchoring, resuming, cancelling and ending coroutines.
 */
#include "bridge/task.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bridge/generation.h"
#include "bridge/whereabouts.h"
#include "gateway/exchange.h"

struct task {
    struct list node; /* of the live ones, or the idle ones */
    struct tasks *tasks;
    lua_State *thread;
    int anchor; /* registry reference: the state may not collect a suspended coroutine */
    struct task_options options;
    uint32_t step;            /* WORKER_STEP() that it is in, while it waits */
    double serial;            /* of options.exchange when the task began */
    task_cancel_wait *cancel; /* set exactly while the task waits */
    void *wait;
    struct ledger own; /* of a detached one, for this run */
};

/* Address of the registry entry that leads from a state to its tasks. */
static const char TASKS_KEY;

void tasks_init(struct tasks *tasks, lua_State *vm, struct generation *generation)
{
    *tasks = (struct tasks){.vm = vm, .generation = generation};
    list_init(&tasks->live);
    list_init(&tasks->idle);
    tasks->place = &tasks->nowhere;
    lua_pushlightuserdata(vm, (void *)&TASKS_KEY);
    lua_pushlightuserdata(vm, tasks);
    lua_rawset(vm, LUA_REGISTRYINDEX);
}

void tasks_show_at(struct tasks *tasks, struct worker_place *place, uint64_t number)
{
    tasks->place = place;
    tasks->number = number;
}

void tasks_count_in(struct tasks *tasks, const struct plugin_accounts *accounts)
{
    tasks->accounts = accounts;
}

static void task_free(struct task *task)
{
    list_remove(&task->node);
    lua_setexdata(task->thread, NULL);
    luaL_unref(task->tasks->vm, LUA_REGISTRYINDEX, task->anchor);
    free(task);
}

void tasks_clear(struct tasks *tasks)
{
    while (!list_is_empty(&tasks->live)) {
        struct task *task = CONTAINER_OF(tasks->live.next, struct task, node);
        task_cancel(&task);
    }
    while (!list_is_empty(&tasks->idle))
        task_free(CONTAINER_OF(tasks->idle.next, struct task, node));
}

static struct task *find_detached(const struct tasks *tasks, double time)
{
    for (struct list *node = tasks->live.next; node != &tasks->live; node = node->next) {
        struct task *task = CONTAINER_OF(node, struct task, node);
        if (task->options.is_detached && task->options.started <= time)
            return task;
    }
    return NULL;
}

void tasks_cancel_detached(struct tasks *tasks, double time)
{
    struct task *task;

    assert(tasks->running == NULL);
    while ((task = find_detached(tasks, time)) != NULL)
        task_cancel(&task);
}

static struct task *task_create(struct tasks *tasks)
{
    struct task *task = mem_zeroed(sizeof(*task));
    list_init(&task->node);
    task->tasks = tasks;
    task->thread = lua_newthread(tasks->vm);
    task->anchor = luaL_ref(tasks->vm, LUA_REGISTRYINDEX);
    lua_setexdata(task->thread, task);
    return task;
}

static struct task *task_take(struct tasks *tasks)
{
    if (list_is_empty(&tasks->idle))
        return task_create(tasks);
    struct task *task = CONTAINER_OF(tasks->idle.next, struct task, node);
    list_remove(&task->node);
    tasks->idle_count--;
    return task;
}

static void task_put_away(struct task *task, bool is_reusable)
{
    struct tasks *tasks = task->tasks;
    struct generation *held = task->options.holds_generation ? tasks->generation : NULL;

    tasks->live_count--;
    if (!is_reusable || tasks->idle_count == TASKS_IDLE_MAX) {
        task_free(task);
    } else {
        lua_settop(task->thread, 0);
        list_remove(&task->node);
        list_push_front(&tasks->idle, &task->node);
        tasks->idle_count++;
    }
    if (held != NULL)
        generation_release(&held);
}

/* What `ended` does still belongs to the step that ended. */
static void show_outer(const struct tasks *tasks, uint32_t step)
{
    if (tasks->running != NULL)
        whereabouts_show(tasks, task_exchange(tasks->running), step);
    else
        whereabouts_hide(tasks);
}

static bool is_measured(const struct task *task)
{
    return task->options.ledger != NULL && task->options.ledger->weight != 0;
}

/* A detached task has no steps: of its runs, a sample is measured, for its plugin. What it does
 * within another one is that one's. */
static void draw_run(struct task *task)
{
    struct tasks *tasks = task->tasks;

    task->options.ledger = NULL;
    if (tasks->accounts == NULL || tasks->running != NULL)
        return;
    task->own = (struct ledger){.weight = sampler_next(&tasks->sampler),
                                .clock_ns = tasks->sampler.clock_ns};
    task->own.current = plugin_accounts_elsewhere(tasks->accounts, WORKER_STEP_PLUGIN(task->step));
    task->options.ledger = &task->own;
    task->options.is_part = true; /* nobody waits for it */
}

static int task_resume_thread(struct task *task, int arguments)
{
    struct tasks *tasks = task->tasks;
    struct task *outer = tasks->running;

    whereabouts_show(tasks, task_exchange(task), task->step);
    if (task->options.is_detached)
        draw_run(task);
    tasks->running = task;
    tasks->nested_count++;
    tasks->ledger = task->options.ledger;
    if (is_measured(task))
        ledger_resume(tasks->ledger, task->options.is_part);
    int status = lua_resume(task->thread, arguments);
    if (is_measured(task))
        ledger_pause(task->options.ledger, task->options.is_part, status == LUA_YIELD);
    tasks->nested_count--;
    tasks->running = outer;
    tasks->ledger = outer != NULL ? outer->options.ledger : NULL;
    task->step = worker_place_step(tasks->place);
    return status;
}

/* Whether the task still lives, waiting. What it does may give back the generation's last reference
 * but this one. */
static bool task_go(struct task *task, int arguments)
{
    int status = task_resume_thread(task, arguments);
    if (status == LUA_YIELD && task->cancel != NULL)
        return true;
    if (status == LUA_YIELD) {
        lua_settop(task->thread, 0);
        lua_pushliteral(task->thread, "coroutine.yield outside of a coroutine of one's own");
    }
    assert(task->cancel == NULL);
    task->options.ended(status == 0 ? TASK_RETURNED : TASK_RAISED, task->thread,
                        task->options.data);
    task_put_away(task, status == 0);
    return false;
}

static bool task_run(struct task *task, int arguments)
{
    struct tasks *tasks = task->tasks;
    struct generation *generation = generation_acquire(tasks->generation);
    uint32_t outer_step = worker_place_step(tasks->place);
    bool is_waiting = task_go(task, arguments);
    show_outer(tasks, outer_step);
    generation_release(&generation);
    return is_waiting;
}

bool tasks_have_room(const struct tasks *tasks)
{
    return tasks->live_count < TASKS_MAX;
}

const char *tasks_why_no_room(const struct tasks *tasks)
{
    if (!tasks_have_room(tasks))
        return "there are too many tasks";
    return tasks->nested_count < TASKS_NESTED_MAX ? NULL : "tasks start one another too deeply";
}

/* What a plugin spawns is its own. */
static uint32_t first_step(const struct tasks *tasks, enum worker_phase phase)
{
    uint32_t step = worker_place_step(tasks->place);

    if (phase == WORKER_PHASE_NONE)
        return step;
    return WORKER_STEP(phase, phase == WORKER_PHASE_TASK ? WORKER_STEP_PLUGIN(step) : 0);
}

struct task *task_start(struct tasks *tasks, int arguments, const struct task_options *options)
{
    assert(tasks_have_room(tasks));
    struct task *task = task_take(tasks);
    tasks->live_count++;
    list_push_back(&tasks->live, &task->node);
    task->options = *options;
    task->step = first_step(tasks, options->phase);
    if (options->holds_generation)
        generation_acquire(tasks->generation);
    task->serial = options->exchange != NULL ? options->exchange->serial : 0;
    lua_xmove(tasks->vm, task->thread, arguments + 1);
    return task_run(task, arguments) ? task : NULL;
}

void task_resume(struct task *task, int results)
{
    assert(task->cancel != NULL);
    task->cancel = NULL;
    task_run(task, results);
}

void task_cancel(struct task **task)
{
    struct task *cancelled = *task;
    *task = NULL;
    assert(cancelled->cancel != NULL);
    task_cancel_wait *cancel = cancelled->cancel;
    cancelled->cancel = NULL;
    if (is_measured(cancelled) && !cancelled->options.is_part)
        ledger_cancel(cancelled->options.ledger);
    cancel(cancelled->wait);
    task_put_away(cancelled, false);
}

static const char *why_not_waiting(const struct task *task, lua_State *thread)
{
    if (task == NULL || task->thread != thread)
        return "this call waits, so it works only in a request's or timer's own coroutine";
    if (!task->options.may_wait)
        return "this call waits, which this phase may not";
    if (!lua_isyieldable(thread))
        return "this call waits, so it cannot run inside require, sort or gsub";
    return NULL;
}

struct task *task_awaiting(lua_State *thread)
{
    struct task *task = lua_getexdata(thread);
    const char *why_not = why_not_waiting(task, thread);
    if (why_not != NULL)
        luaL_error(thread, "%s", why_not);
    return task;
}

int task_suspend(struct task *task, task_cancel_wait *cancel, void *wait)
{
    assert(task->cancel == NULL && cancel != NULL);
    task->cancel = cancel;
    task->wait = wait;
    return lua_yield(task->thread, 0);
}

lua_State *task_thread(struct task *task)
{
    return task->thread;
}

struct generation *task_generation(struct task *task)
{
    return task->tasks->generation;
}

struct exchange *task_exchange(const struct task *task)
{
    struct exchange *exchange = task->options.exchange;
    return exchange != NULL && exchange_is_alive(exchange, task->serial) ? exchange : NULL;
}

bool task_is_for_request(const struct task *task)
{
    return task->options.exchange != NULL || task->options.holds_generation;
}

struct generation *task_generation_of(lua_State *thread)
{
    lua_pushlightuserdata(thread, (void *)&TASKS_KEY);
    lua_rawget(thread, LUA_REGISTRYINDEX);
    struct tasks *tasks = lua_touserdata(thread, -1);
    lua_pop(thread, 1);
    assert(tasks != NULL);
    return tasks->generation;
}
