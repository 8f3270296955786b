/*
 * reload_desk — a queue of requests, of which those of a kind are one job.
 */
#include "server/reload_desk.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "server/reload_answer.h"
#include "server/watch.h"

/* Of one kind; who comes then is refused. */
#define WAITERS_MAX 1000

#define RETRY_FIRST_SECONDS 1.0
#define RETRY_MAX_SECONDS   60.0

struct waiter {
    struct list node;
    struct reload_asker asker;
};

/* One for each kind. */
struct request {
    struct list node; /* of the desk's queue, by the first who asked */
    enum reload_kind kind;
    enum history_cause cause; /* the most explicit one */
    struct list waiters;
    unsigned waiter_count;
};

struct reload_desk {
    struct reload_desk_options options;
    bool is_open, is_busy, is_paused;
    void (*paused)(void *data); /* NULL: nobody waits for that */
    void *paused_data;
    struct request requests[RELOAD_KIND_COUNT];
    struct list queue;
    struct list waiters;       /* for the job that is under way */
    enum reload_kind kind;     /* its */
    ev_timer retry;            /* active until files are read again that could not be run */
    double pause;              /* seconds, the last one before that; 0: none */
    struct loop_deferred next; /* begins the next job, outside of the last one's callbacks */
    struct watch *watch;
    struct reload_job *job;
};

/* NULL: they are forgotten. */
static void answer_all(struct list *waiters, const struct reload_outcome *outcome)
{
    while (!list_is_empty(waiters)) {
        struct waiter *waiter = CONTAINER_OF(waiters->next, struct waiter, node);
        list_remove(&waiter->node);
        if (outcome != NULL)
            waiter->asker.answer(&waiter->asker, outcome);
        free(waiter);
    }
}

static void add_waiter(struct request *request, const struct reload_asker *asker)
{
    struct waiter *waiter = mem_alloc(sizeof(*waiter));

    waiter->asker = *asker;
    list_push_back(&request->waiters, &waiter->node);
    request->waiter_count++;
}

static void take_waiters(struct request *request, struct list *to)
{
    while (!list_is_empty(&request->waiters)) {
        struct list *node = request->waiters.next;
        list_remove(node);
        list_push_back(to, node);
    }
    request->waiter_count = 0;
}

static struct ev_loop *loop_of(const struct reload_desk *desk)
{
    return desk->options.reload.loop->ev;
}

static bool is_worth_a_retry(const struct reload_desk *desk, const struct reload_outcome *outcome)
{
    return !outcome->is_done && outcome->may_pass && !desk->options.reload.history->is_held &&
           desk->options.reload.subject.plan->watches_files;
}

static void plan_retry(struct reload_desk *desk, const struct reload_outcome *outcome)
{
    if (desk->kind == RELOAD_PREVIEW || (desk->kind == RELOAD_PREVIOUS && !outcome->is_done))
        return;
    ev_timer_stop(loop_of(desk), &desk->retry);
    if (!is_worth_a_retry(desk, outcome)) {
        desk->pause = 0;
        return;
    }
    desk->pause = fmax(RETRY_FIRST_SECONDS, fmin(2 * desk->pause, RETRY_MAX_SECONDS));
    log_write(LOG_INFO, "that may pass: the files are read again in %.0f s", desk->pause);
    ev_timer_set(&desk->retry, desk->pause, 0);
    ev_timer_start(loop_of(desk), &desk->retry);
}

static void on_retry(struct ev_loop *ev, ev_timer *timer, int events)
{
    reload_desk_ask(timer->data, RELOAD_FILES, CAUSE_WATCH, &RELOAD_NOBODY);
}

static void on_ended(void *data, const struct reload_outcome *outcome)
{
    struct reload_desk *desk = data;

    desk->options.on_history(desk->options.data);
    plan_retry(desk, outcome);
    answer_all(&desk->waiters, outcome);
    desk->is_busy = false;
    loop_defer(desk->options.reload.loop, &desk->next);
}

static void tell_paused(struct reload_desk *desk)
{
    void (*paused)(void *data) = desk->paused;

    desk->paused = NULL;
    if (paused != NULL)
        paused(desk->paused_data);
}

/* Files that changed while it went back wait, as those do that change later. */
static bool is_held_back(const struct reload_desk *desk, const struct request *request)
{
    return request->cause == CAUSE_WATCH && desk->options.reload.history->is_held;
}

static void begin(struct reload_desk *desk, struct request *request)
{
    take_waiters(request, &desk->waiters);
    desk->is_busy = true;
    desk->kind = request->kind;
    if (request->kind == RELOAD_FILES && ev_is_active(&desk->retry)) {
        ev_timer_stop(loop_of(desk), &desk->retry);
        desk->pause = 0; /* somebody else asked */
    }
    reload_job_begin(desk->job, request->kind, request->cause);
}

static void on_next(struct loop_deferred *item)
{
    struct reload_desk *desk = CONTAINER_OF(item, struct reload_desk, next);

    if (desk->is_busy || !desk->is_open)
        return;
    if (desk->is_paused) {
        tell_paused(desk);
        return;
    }
    if (list_is_empty(&desk->queue))
        return;
    struct request *request = CONTAINER_OF(desk->queue.next, struct request, node);
    list_remove(&request->node);
    if (!is_held_back(desk, request)) {
        begin(desk, request);
        return;
    }
    log_write(LOG_INFO, "files have changed; rolled back, so they wait for moongate reload");
    loop_defer(desk->options.reload.loop, &desk->next);
}

void reload_desk_ask(struct reload_desk *desk, enum reload_kind kind, enum history_cause cause,
                     const struct reload_asker *asker)
{
    struct request *request = &desk->requests[kind];

    bool is_refused = !desk->is_open || request->waiter_count == WAITERS_MAX;
    if (is_refused && asker->answer != NULL) {
        struct reload_outcome refusal = reload_answer_refusal();
        asker->answer(asker, &refusal);
        return;
    }
    if (list_is_empty(&request->node)) {
        list_push_back(&desk->queue, &request->node);
        request->cause = cause;
    }
    if (cause > request->cause)
        request->cause = cause;
    if (asker->answer != NULL)
        add_waiter(request, asker);
    loop_defer(desk->options.reload.loop, &desk->next);
}

void reload_desk_pause(struct reload_desk *desk, void (*paused)(void *data), void *data)
{
    assert(!desk->is_paused);
    desk->is_paused = true;
    desk->paused = paused;
    desk->paused_data = data;
    if (!desk->is_busy)
        tell_paused(desk);
}

void reload_desk_resume(struct reload_desk *desk)
{
    desk->is_paused = false;
    desk->paused = NULL;
    loop_defer(desk->options.reload.loop, &desk->next);
}

bool reload_desk_is_asked(const struct reload_desk *desk)
{
    return !list_is_empty(&desk->requests[RELOAD_FILES].node);
}

bool reload_desk_is_busy(const struct reload_desk *desk)
{
    return desk->is_busy;
}

bool reload_desk_is_reading(const struct reload_desk *desk)
{
    return reload_job_is_reading(desk->job);
}

double reload_desk_seconds_max(void)
{
    return RELOAD_KIND_COUNT * reload_job_seconds_max();
}

static void on_change(void *data, const char *what)
{
    struct reload_desk *desk = data;

    if (desk->options.reload.history->is_held) {
        log_write(LOG_INFO, "%s has changed; rolled back, so that waits for moongate reload", what);
        return;
    }
    log_write(LOG_INFO, "%s has changed", what);
    reload_desk_ask(desk, RELOAD_FILES, CAUSE_WATCH, &RELOAD_NOBODY);
}

struct reload_desk *reload_desk_create(const struct reload_desk_options *options)
{
    struct reload_desk *desk = mem_zeroed(sizeof(*desk));

    desk->options = *options;
    list_init(&desk->queue);
    list_init(&desk->waiters);
    for (size_t i = 0; i < RELOAD_KIND_COUNT; i++) {
        desk->requests[i].kind = (enum reload_kind)i;
        list_init(&desk->requests[i].node);
        list_init(&desk->requests[i].waiters);
    }
    list_init(&desk->next.node);
    desk->next.run = on_next;
    ev_init(&desk->retry, on_retry);
    desk->retry.data = desk;
    desk->watch = watch_create(options->reload.loop, on_change, desk);
    desk->job = reload_job_create(&options->reload, desk->watch, on_ended, desk);
    return desk;
}

void reload_desk_open(struct reload_desk *desk, const struct reload_opening *opening)
{
    assert(!desk->is_open);
    desk->is_open = true;
    reload_job_open(desk->job, opening);
    loop_defer(desk->options.reload.loop, &desk->next);
}

static void end_waiting(struct reload_desk *desk, const struct reload_outcome *outcome)
{
    answer_all(&desk->waiters, outcome);
    for (size_t i = 0; i < RELOAD_KIND_COUNT; i++)
        answer_all(&desk->requests[i].waiters, outcome);
}

void reload_desk_destroy(struct reload_desk **pointer)
{
    struct reload_desk *desk = *pointer;
    struct reload_outcome refusal = reload_answer_refusal();

    *pointer = NULL;
    list_remove(&desk->next.node);
    ev_timer_stop(loop_of(desk), &desk->retry);
    reload_job_destroy(&desk->job);
    watch_destroy(&desk->watch);
    end_waiting(desk, &refusal);
    free(desk);
}

void reload_desk_abandon(struct reload_desk **pointer)
{
    struct reload_desk *desk = *pointer;

    *pointer = NULL;
    reload_job_abandon(&desk->job);
    watch_abandon(&desk->watch);
    end_waiting(desk, NULL);
    free(desk);
}

void reload_desk_on_message(struct reload_desk *desk, unsigned worker,
                            const struct channel_message *message)
{
    reload_job_on_message(desk->job, worker, message);
}

void reload_desk_on_death(struct reload_desk *desk, unsigned worker)
{
    reload_job_on_death(desk->job, worker);
}

const struct reload_asker RELOAD_NOBODY = {0};
