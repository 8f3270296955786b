/*
 * generation — the life of one, from its start to its end.
 *
 * Everything here happens on the loop; what is left of it after that is freed in the background.
 */
#include "bridge/generation_private.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "bridge/config_text.h"
#include "bridge/fetch_library.h"
#include "bridge/fetch_target.h"
#include "bridge/generation_clusters.h"
#include "bridge/inheritance.h"
#include "net/loop.h"
#include "store/stores.h"

/* How often it is looked at a generation that is not current whether its tasks have had their time,
 * or its requests. */
#define SWEEP_SECONDS 1.0

void generation_push_function(struct generation *generation, enum generation_function which)
{
    lua_rawgeti(generation->vm, LUA_REGISTRYINDEX, generation->functions[which]);
}

struct slice generation_push_traceback(struct generation *generation, lua_State *thread)
{
    struct slice text;
    const char *message = lua_tostring(thread, -1);
    luaL_traceback(generation->vm, thread,
                   message != NULL ? message : "(what was raised is not a text)", 0);
    text.start = lua_tolstring(generation->vm, -1, &text.length);
    return text;
}

struct generation *generation_acquire(struct generation *generation)
{
    generation->references++;
    return generation;
}

static struct ev_loop *loop_of(const struct generation *generation)
{
    return generation->services->loop->ev;
}

static void on_stop_ended(enum task_end end, lua_State *thread, void *data)
{
    struct generation *generation = data;
    if (end == TASK_RETURNED)
        return;
    struct slice text = generation_push_traceback(generation, thread);
    log_write(LOG_ERROR, "a plugin raised when it was stopped: %.*s", SLICE_FORMAT(text));
    lua_pop(generation->vm, 1);
}

static void stop(struct generation *generation)
{
    struct task_options options = {
        .ended = on_stop_ended, .data = generation, .phase = WORKER_PHASE_STOP};
    generation_push_function(generation, GENERATION_STOP);
    task_start(&generation->tasks, 0, &options);
}

static void on_free(struct background_job *job)
{
    generation_clear(CONTAINER_OF(job, struct generation, freeing));
}

static void on_freed(struct background_job *job)
{
    struct generation *generation = CONTAINER_OF(job, struct generation, freeing);
    struct generations *generations = generation->generations;
    uint64_t number = generation->number;

    free(generation);
    if (generations == NULL)
        return;
    generations->alive--;
    if (generations->on_freed != NULL)
        generations->on_freed(generations->data, number);
}

/* What takes long goes to the background. */
static void free_later(struct generation *generation, struct background *background)
{
    generation->freeing = (struct background_job){.work = on_free, .done = on_freed};
    background_submit(background, &generation->freeing);
}

/* It has served, or was about to. */
static void end(struct generation *generation)
{
    generation->references = 1; /* for the tasks that end it: see task_run */
    list_remove(&generation->node);
    ev_timer_stop(loop_of(generation), &generation->timer);
    if (generation->is_started)
        stop(generation);
    tasks_clear(&generation->tasks);
    config_text_end(generation);
    generation_clusters_release(generation);
    fetches_clear(generation);
    fetch_targets_release(generation);
    sinks_open_release(&generation->sinks);
    if (generation->store != NULL)
        stores_release(generation->services->stores, &generation->store);
    free_later(generation, generation->services->background);
}

void generation_release(struct generation **generation)
{
    struct generation *released = *generation;

    *generation = NULL;
    assert(released->references > 0);
    if (--released->references > 0)
        return;
    if (released->services != NULL) {
        end(released);
    } else {
        generation_clear(released);
        free(released);
    }
}

void generation_discard(struct generation **generation, struct background *background)
{
    assert((*generation)->services == NULL && (*generation)->references == 1);
    free_later(*generation, background);
    *generation = NULL;
}

void generations_init(struct generations *generations)
{
    *generations = (struct generations){0};
    list_init(&generations->all);
}

void generations_end_tasks(struct generations *generations)
{
    struct list *node = generations->all.next;

    while (node != &generations->all) {
        struct generation *generation =
            generation_acquire(CONTAINER_OF(node, struct generation, node));
        tasks_cancel_detached(&generation->tasks, INFINITY);
        node = node->next;
        generation_release(&generation);
    }
}

/* ---- start ---- */

/* The generation may be gone after this. */
static void tell_started(struct generation *generation, struct slice error)
{
    generation_started *started = generation->started;

    ev_timer_stop(loop_of(generation), &generation->timer);
    generation->started = NULL;
    started(generation->started_data, error);
}

static void on_start_ended(enum task_end end, lua_State *thread, void *data)
{
    struct generation *generation = data;
    struct slice error = SLICE_NONE;

    generation->start = NULL;
    if (end == TASK_RAISED) {
        struct slice text = generation_push_traceback(generation, thread);
        log_write(LOG_ERROR, "a plugin raised when it was started: %.*s", SLICE_FORMAT(text));
        lua_pop(generation->vm, 1);
        error = SLICE("a plugin raised in start() what is not a text");
        if (lua_isstring(thread, -1))
            error.start = lua_tolstring(thread, -1, &error.length);
    }
    tell_started(generation, error);
}

static void on_start_late(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct generation *generation = timer->data;

    task_cancel(&generation->start);
    tell_started(generation, SLICE("start() of the plugins took too long"));
}

static void run_start(struct generation *generation)
{
    struct task_options options = {
        .ended = on_start_ended, .data = generation, .phase = WORKER_PHASE_START, .may_wait = true};

    ev_timer_init(&generation->timer, on_start_late, GENERATION_START_SECONDS_MAX, 0);
    ev_timer_start(loop_of(generation), &generation->timer);
    generation->is_started = true;
    generation_push_function(generation, GENERATION_START);
    struct task *task = task_start(&generation->tasks, 0, &options);
    if (task != NULL)
        generation->start = task;
}

/* False with a sentence in `reason` when it cannot be opened. */
static bool acquire_store(struct generation *generation, char *reason)
{
    if (generation->store_options.path == NULL)
        return true;
    generation->store =
        stores_acquire(generation->services->stores, &generation->store_options, reason);
    return generation->store != NULL;
}

/* A few clusters a turn, so that no turn is long. */
static void on_turn(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct generation *generation = timer->data;
    struct loop *loop = generation->services->loop;
    char reason[STORE_REASON_BYTES_MAX];

    if (generation_clusters_prepare(generation)) {
        ev_timer_set(timer, 0, 0);
        ev_timer_start(ev, timer);
        return;
    }
    if (acquire_store(generation, reason)) {
        run_start(generation);
    } else {
        log_write(LOG_ERROR, "%s", reason);
        tell_started(generation, slice_from_string(reason));
    }
    loop_flush(loop);
}

void generation_start(struct generation *generation, const struct services *services,
                      generation_started *started, void *data)
{
    assert(generation->services == NULL && generation->draft == NULL);
    generation->services = services;
    generation->generations = services->generations;
    generation->generations->alive++;
    list_push_back(&generation->generations->all, &generation->node);
    generation->started = started;
    generation->started_data = data;
    ev_timer_init(&generation->timer, on_turn, 0, 0);
    generation->timer.data = generation;
    ev_timer_start(loop_of(generation), &generation->timer);
}

void generation_enter(struct generation *generation)
{
    assert(generation->is_started && generation->started == NULL);
    generation_clusters_enforce(generation);
    generation->is_current = true;
}

/* ---- retirement ---- */

static void bequeath(struct generation *generation)
{
    struct generation **current = gateway_phases_data(generation->services->gateway);

    if (*current != NULL && *current != generation)
        inheritance_take(generation, *current, &generation->inherited);
}

static void on_sweep(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct generation *generation = generation_acquire(timer->data);
    double now = loop_monotonic(generation->services->loop);
    bool is_old = now - generation->retired_at >= GENERATION_TASK_SECONDS_MAX;

    if (is_old)
        tasks_cancel_detached(&generation->tasks, now - GENERATION_TASK_SECONDS_MAX);
    if (is_old || generation->is_crowded_out)
        bequeath(generation);
    generation_release(&generation);
}

/* The oldest of too many that are not current do not wait any longer. */
static void crowd_out(struct generations *generations)
{
    unsigned count = 0;

    for (struct list *node = generations->all.prev; node != &generations->all; node = node->prev) {
        struct generation *generation = CONTAINER_OF(node, struct generation, node);
        if (generation->retired_at > 0 && ++count > GENERATIONS_RETIRED_MAX)
            generation->is_crowded_out = true;
    }
}

void generation_retire(struct generation **generation)
{
    struct generation *retired = *generation;
    struct generations *generations = retired->generations;

    *generation = NULL;
    if (retired->start != NULL)
        task_cancel(&retired->start);
    retired->started = NULL;
    retired->is_current = false;
    retired->retired_at = loop_monotonic(retired->services->loop);
    ev_timer_stop(loop_of(retired), &retired->timer);
    ev_timer_init(&retired->timer, on_sweep, SWEEP_SECONDS, SWEEP_SECONDS);
    ev_timer_start(loop_of(retired), &retired->timer);
    generation_release(&retired);
    crowd_out(generations);
}

double generation_build_cpu_seconds(const struct generation *generation)
{
    return generation->build_cpu_seconds;
}

uint64_t generation_number(const struct generation *generation)
{
    return generation->number;
}

const struct plan *generation_plan(const struct generation *generation)
{
    return &generation->plan;
}

const struct listen_options *generation_listener(const struct generation *generation, size_t i)
{
    assert(i < generation->plan.listener_count);
    return &generation->listeners[i];
}

const struct gateway_options *generation_gateway_options(const struct generation *generation)
{
    return &generation->gateway_options;
}

const struct resolver_options *generation_resolver_options(const struct generation *generation)
{
    return &generation->resolver_options;
}
