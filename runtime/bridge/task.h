/*
 * task — one Lua coroutine that runs for a request or a timer, driven by the event loop.
 *
 * Only task.c resumes and yields. To write a C function that waits:
 *
 *     static int fetch(lua_State *thread)
 *     {
 *         const char *what = luaL_checkstring(thread, 1); // anything that may raise comes first
 *         struct task *task = task_awaiting(thread);      // raises where waiting is impossible
 *         struct wait *wait = arm(task, what);            // from here on nothing may raise
 *         return task_suspend(task, on_cancel, wait);     // what the event pushes is what Lua gets
 *     }
 *
 * The event, which comes from the loop, later and never before task_suspend() has returned:
 *
 *     lua_State *thread = task_thread(task);
 *     lua_pushliteral(thread, "done");
 *     task_resume(task, 1);          // the task may be gone after this
 *
 * What fails expectedly gives nil and a message. If the task is cancelled first, `on_cancel(wait)`
 * is called once: it disarms and frees; the task may not be touched any more. A cancelled coroutine
 * never runs again, so what must be undone belongs to C, not to the end of a Lua function.
 *
 * Coroutines that returned are used again; those that raised or were cancelled are thrown away.
 */
#pragma once

#include <lua.h>
#include <stdbool.h>

#include "base/list.h"
#include "bridge/ledger.h"
#include "shm/worker_board.h"

/* Waiting and running tasks of one state together. */
#define TASKS_MAX 262144
/* Tasks that were started within one another: each takes some of the C stack while it runs. */
#define TASKS_NESTED_MAX 100
/* Coroutines kept for reuse. */
#define TASKS_IDLE_MAX 1024

struct exchange;
struct generation;
struct task;

/* All tasks of one state; embedded in its owner. */
struct tasks {
    lua_State *vm;
    struct generation *generation;
    struct list live, idle;
    struct task *running;                   /* NULL outside of Lua */
    struct worker_place *place, nowhere;    /* where it is shown what runs */
    uint64_t number;                        /* the generation's, to be shown there */
    struct ledger *ledger;                  /* of the running task; NULL: it has none */
    struct sampler sampler;                 /* of the runs of detached ones */
    const struct plugin_accounts *accounts; /* where these count; NULL: nowhere */
    unsigned live_count, idle_count, nested_count;
};

void tasks_init(struct tasks *tasks, lua_State *vm, struct generation *generation);
/* Before the first one, if the master is to see what runs. */
void tasks_show_at(struct tasks *tasks, struct worker_place *place, uint64_t number);
/* Before the first one, if what detached ones cost is to be measured. */
void tasks_count_in(struct tasks *tasks, const struct plugin_accounts *accounts);
/* Cancels what still waits. Before lua_close. */
void tasks_clear(struct tasks *tasks);
/* Cancels detached ones that were started before `time`, as loop_monotonic() counts, or then. From
 * the loop alone, with a reference to the generation. */
void tasks_cancel_detached(struct tasks *tasks, double time);

enum task_end { TASK_RETURNED, TASK_RAISED };

/*
 * Called once, unless the task is cancelled: results, or the error, are all there is on `thread`'s
 * stack. May start other tasks; the task itself is gone when it returns.
 */
typedef void task_ended(enum task_end end, lua_State *thread, void *data);
typedef void task_cancel_wait(void *wait);

struct task_options {
    task_ended *ended;
    void *data;
    struct exchange *exchange; /* that it works for, NULL: none. For the log. */
    enum worker_phase phase;   /* to be shown; NONE: that of who starts it */
    struct ledger *ledger;     /* where its steps are counted; NULL: it has none */
    bool is_part;              /* of a task that waits for it, with the same ledger */
    bool may_wait;
    bool is_detached;      /* nobody waits for it: tasks_cancel_detached() may end it */
    double started;        /* as loop_monotonic() counts; of detached ones */
    bool holds_generation; /* keeps its generation for as long as it runs, as a request does */
};

/*
 * Runs the function below its `arguments` on top of the state's main stack, taking them off. NULL
 * when it ended without waiting
 * (`ended` has been called). Only while tasks_have_room().
 */
struct task *task_start(struct tasks *tasks, int arguments, const struct task_options *options);
bool tasks_have_room(const struct tasks *tasks);
/* NULL when a running task may start another one; else why it may not. */
const char *tasks_why_no_room(const struct tasks *tasks);
/* Lets it go on with the `results` values on top of its thread. */
void task_resume(struct task *task, int results);
/* Only while it waits; `ended` is not called. Clears `*task`. */
void task_cancel(struct task **task);

/* The task that may wait now; raises a Lua error where waiting is impossible. */
struct task *task_awaiting(lua_State *thread);
/* `return task_suspend(...)` from a C function, after task_awaiting(). */
int task_suspend(struct task *task, task_cancel_wait *cancel, void *wait);

lua_State *task_thread(struct task *task);
struct generation *task_generation(struct task *task);
/* That it works for, NULL when none or it has ended. */
struct exchange *task_exchange(const struct task *task);
/* Whether it works for a request, or holds its generation as if it did. */
bool task_is_for_request(const struct task *task);
/* The generation of any coroutine of a state, in a task or not. */
struct generation *task_generation_of(lua_State *thread);
