/*
 * reload_desk — a queue of jobs, each of which is a reading, a vote, and an answer.
 */
#include "server/reload_desk.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "bridge/bundle.h"
#include "net/loop.h"
#include "server/reload_answer.h"
#include "server/watch.h"
#include "server/watch_list.h"
#include "server/workforce.h"

enum job_kind { JOB_RELOAD, JOB_ROLL_BACK, JOB_COUNT };

struct waiter {
    struct list node;
    struct reload_asker asker;
};

/* One for each kind, since requests of a kind are joined. */
struct job {
    struct list node; /* of the desk's queue, by its first request */
    enum job_kind kind;
    enum history_cause cause; /* the most explicit one */
    struct list waiters;
};

struct reload_desk {
    struct reload_desk_options options;
    bool is_open;
    struct job jobs[JOB_COUNT];
    struct list queue;
    /* What is under way. */
    bool is_busy;
    enum history_cause cause;
    struct list waiters;
    struct rehearsal *rehearsal;
    struct timespec read; /* when it began to be read */
    ev_io reads;
    struct renewal renewal;
    struct loop_deferred next; /* the next job, outside of the last one's callbacks */
    /* To go back to. */
    struct plan previous_plan;
    int previous_bundle_fd; /* -1: there is none */
    struct watch *watch;
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

static void add_waiter(struct list *waiters, const struct reload_asker *asker)
{
    struct waiter *waiter = mem_alloc(sizeof(*waiter));

    waiter->asker = *asker;
    list_push_back(waiters, &waiter->node);
}

static void take_waiters(struct list *from, struct list *to)
{
    while (!list_is_empty(from)) {
        struct list *node = from->next;
        list_remove(node);
        list_push_back(to, node);
    }
}

/* ---- what a job ends with ---- */

static void end_job(struct reload_desk *desk, struct reload_answer *answer)
{
    answer->history = desk->options.history;
    reload_answer_write(answer);
    desk->options.on_history(desk->options.data);
    struct reload_outcome outcome = {.is_done = answer->errors.length == 0,
                                     .text = buffer_slice(&answer->text),
                                     .json = buffer_slice(&answer->json),
                                     .brief = buffer_slice(&answer->brief)};
    answer_all(&desk->waiters, &outcome);
    reload_answer_clear(answer);
    desk->is_busy = false;
    loop_defer(desk->options.loop, &desk->next);
}

static void fail(struct reload_desk *desk, struct slice errors)
{
    struct reload_answer answer = {.errors = errors};

    history_fail(desk->options.history, desk->cause, errors);
    log_write(LOG_ERROR, "the configuration was not reloaded: %.*s", SLICE_FORMAT(errors));
    end_job(desk, &answer);
}

static void end_unchanged(struct reload_desk *desk)
{
    struct reload_answer answer = {.is_unchanged = true};

    history_settle(desk->options.history);
    desk->options.history->is_held = false;
    log_write(LOG_INFO, "the configuration is the same as before");
    end_job(desk, &answer);
}

/* ---- reading ---- */

/* Whether both were read from the same files with the same contents. */
static bool is_same(int bundle_fd, int other_fd)
{
    struct bundle *bundle = bundle_open(bundle_fd), *other = bundle_open(other_fd);
    bool is_same = bundle != NULL && other != NULL &&
                   memcmp(bundle_digest(bundle), bundle_digest(other), BUNDLE_DIGEST_BYTES) == 0;

    if (bundle != NULL)
        bundle_release(&bundle);
    if (other != NULL)
        bundle_release(&other);
    return is_same;
}

/* What the workers, the memory and the user are was settled at the start. */
static unsigned keep_settled(const struct reload_desk *desk, struct plan *plan)
{
    const struct plan *settled = desk->options.subject.plan;
    unsigned count = desk->options.workforce->options.count, unapplied = 0;

    if (plan->workers != settled->workers && plan->workers != count)
        unapplied |= UNAPPLIED_WORKERS;
    if (plan->memory_counters != settled->memory_counters ||
        plan->memory_limits != settled->memory_limits || plan->memory_dict != settled->memory_dict)
        unapplied |= UNAPPLIED_MEMORY;
    if (strcmp(plan->user, settled->user) != 0)
        unapplied |= UNAPPLIED_USER;
    plan->workers = settled->workers;
    plan->memory_counters = settled->memory_counters;
    plan->memory_limits = settled->memory_limits;
    plan->memory_dict = settled->memory_dict;
    memcpy(plan->user, settled->user, sizeof(plan->user));
    return unapplied;
}

/* Files of what runs and of what was read last. */
static void watch_files(struct reload_desk *desk, int bundle_fd)
{
    int fds[] = {bundle_fd, *desk->options.subject.bundle_fd};
    bool is_wanted = desk->options.subject.plan->watches_files;

    watch_list_set(desk->watch, fds, is_wanted ? ARRAY_LENGTH(fds) : 0, desk->read);
}

/* Files of what runs. */
static void watch_current(struct reload_desk *desk)
{
    const struct renewal_subject *subject = &desk->options.subject;

    watch_list_set(desk->watch, subject->bundle_fd, subject->plan->watches_files ? 1 : 0,
                   desk->read);
}

static void succeed(struct reload_desk *desk)
{
    struct history *history = desk->options.history;
    struct reload_answer answer = {.errors = SLICE("")};
    struct plan plan;
    int previous = renewal_take_previous(&desk->renewal, &plan);

    if (desk->previous_bundle_fd >= 0)
        close(desk->previous_bundle_fd);
    desk->previous_plan = plan;
    desk->previous_bundle_fd = previous;
    /* Whoever went back may go forward by a reload, but not back to where it came from. */
    if (desk->cause == CAUSE_ROLLBACK) {
        close(desk->previous_bundle_fd);
        desk->previous_bundle_fd = -1;
    }
    watch_current(desk);
    history_succeed(history, *desk->options.subject.generation, desk->cause);
    log_write(LOG_INFO, "generation %llu serves (%s)", (unsigned long long)history->generation,
              history_cause_name(desk->cause));
    end_job(desk, &answer);
}

static void on_renewed(void *data, struct slice errors)
{
    struct reload_desk *desk = data;

    if (errors.length > 0)
        fail(desk, errors);
    else
        succeed(desk);
}

static void on_read(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct reload_desk *desk = watcher->data;
    struct rehearsal_result result;

    ev_io_stop(ev, watcher);
    rehearsal_finish(&desk->rehearsal, &result);
    watch_files(desk, result.bundle_fd);
    if (!result.is_good) {
        fail(desk, slice_from_string(result.errors));
    } else {
        desk->options.history->unapplied = keep_settled(desk, &result.plan);
        if (is_same(result.bundle_fd, *desk->options.subject.bundle_fd)) {
            end_unchanged(desk);
        } else {
            renewal_begin(&desk->renewal, &result.plan, result.bundle_fd);
            result.bundle_fd = -1;
        }
    }
    rehearsal_result_clear(&result);
}

static void read_files(struct reload_desk *desk)
{
    desk->read = watch_moment();
    desk->rehearsal = rehearsal_start(desk->options.config_path, desk->options.installation);
    if (desk->rehearsal == NULL) {
        fail(desk, SLICE("the system has no process to read the configuration in\n"));
        return;
    }
    ev_io_set(&desk->reads, rehearsal_fd(desk->rehearsal), EV_READ);
    ev_io_start(desk->options.loop->ev, &desk->reads);
}

static void go_back(struct reload_desk *desk)
{
    int bundle_fd = desk->previous_bundle_fd;

    if (bundle_fd < 0) {
        struct reload_answer answer = {
            .errors = SLICE("there is no generation before this one to go back to\n")};
        end_job(desk, &answer);
        return;
    }
    struct plan plan = desk->previous_plan;
    keep_settled(desk, &plan);
    renewal_begin(&desk->renewal, &plan, fcntl(bundle_fd, F_DUPFD_CLOEXEC, 0));
}

/* ---- the queue ---- */

static void on_next(struct loop_deferred *item)
{
    struct reload_desk *desk = CONTAINER_OF(item, struct reload_desk, next);

    if (desk->is_busy || list_is_empty(&desk->queue))
        return;
    struct job *job = CONTAINER_OF(desk->queue.next, struct job, node);
    list_remove(&job->node);
    desk->is_busy = true;
    desk->cause = job->cause;
    take_waiters(&job->waiters, &desk->waiters);
    switch (job->kind) {
    case JOB_RELOAD:
        read_files(desk);
        break;
    case JOB_ROLL_BACK:
        go_back(desk);
        break;
    case JOB_COUNT:
        break;
    }
}

static void ask(struct reload_desk *desk, enum job_kind kind, enum history_cause cause,
                const struct reload_asker *asker)
{
    struct job *job = &desk->jobs[kind];

    if (!desk->is_open) {
        struct reload_outcome refusal = reload_answer_refusal();
        if (asker->answer != NULL)
            asker->answer(asker, &refusal);
        return;
    }
    if (list_is_empty(&job->node)) {
        list_push_back(&desk->queue, &job->node);
        job->cause = cause;
    }
    if (cause > job->cause)
        job->cause = cause;
    if (asker->answer != NULL)
        add_waiter(&job->waiters, asker);
    loop_defer(desk->options.loop, &desk->next);
}

void reload_desk_reload(struct reload_desk *desk, enum history_cause cause,
                        const struct reload_asker *asker)
{
    ask(desk, JOB_RELOAD, cause, asker);
}

void reload_desk_roll_back(struct reload_desk *desk, const struct reload_asker *asker)
{
    ask(desk, JOB_ROLL_BACK, CAUSE_ROLLBACK, asker);
}

double reload_desk_seconds_max(void)
{
    return 2 * (REHEARSAL_SECONDS_MAX + RELOAD_BUILD_SECONDS_MAX + RELOAD_START_SECONDS_MAX +
                RELOAD_SWAP_SECONDS_MAX);
}

static void on_change(void *data, const char *what)
{
    struct reload_desk *desk = data;

    if (desk->options.history->is_held) {
        log_write(LOG_INFO, "%s has changed; rolled back, so that waits for moongate reload", what);
        return;
    }
    log_write(LOG_INFO, "%s has changed", what);
    reload_desk_reload(desk, CAUSE_WATCH, &(struct reload_asker){0});
}

/* ---- its life ---- */

struct reload_desk *reload_desk_create(const struct reload_desk_options *options)
{
    struct reload_desk *desk = mem_zeroed(sizeof(*desk));
    struct renewal_options renewal = {.loop = options->loop,
                                      .workforce = options->workforce,
                                      .subject = options->subject,
                                      .ended = on_renewed,
                                      .data = desk};

    desk->options = *options;
    desk->previous_bundle_fd = -1;
    list_init(&desk->queue);
    list_init(&desk->waiters);
    for (size_t i = 0; i < JOB_COUNT; i++) {
        desk->jobs[i].kind = (enum job_kind)i;
        list_init(&desk->jobs[i].node);
        list_init(&desk->jobs[i].waiters);
    }
    list_init(&desk->next.node);
    desk->next.run = on_next;
    ev_init(&desk->reads, on_read);
    desk->reads.data = desk;
    renewal_init(&desk->renewal, &renewal);
    desk->watch = watch_create(options->loop, on_change, desk);
    return desk;
}

void reload_desk_open(struct reload_desk *desk, struct timespec read)
{
    assert(!desk->is_open);
    desk->is_open = true;
    desk->read = read;
    watch_current(desk);
}

static void end_waiting(struct reload_desk *desk, const struct reload_outcome *outcome)
{
    answer_all(&desk->waiters, outcome);
    for (size_t i = 0; i < JOB_COUNT; i++)
        answer_all(&desk->jobs[i].waiters, outcome);
}

void reload_desk_destroy(struct reload_desk **pointer)
{
    struct reload_desk *desk = *pointer;
    struct reload_outcome refusal = reload_answer_refusal();

    *pointer = NULL;
    list_remove(&desk->next.node);
    ev_io_stop(desk->options.loop->ev, &desk->reads);
    if (desk->rehearsal != NULL)
        rehearsal_cancel(&desk->rehearsal);
    renewal_clear(&desk->renewal);
    if (desk->previous_bundle_fd >= 0)
        close(desk->previous_bundle_fd);
    watch_destroy(&desk->watch);
    end_waiting(desk, &refusal);
    free(desk);
}

void reload_desk_abandon(struct reload_desk **pointer)
{
    struct reload_desk *desk = *pointer;

    *pointer = NULL;
    if (desk->rehearsal != NULL)
        rehearsal_abandon(&desk->rehearsal);
    renewal_abandon(&desk->renewal);
    if (desk->previous_bundle_fd >= 0)
        close(desk->previous_bundle_fd);
    watch_abandon(&desk->watch);
    end_waiting(desk, NULL);
    free(desk);
}

void reload_desk_on_message(struct reload_desk *desk, unsigned worker,
                            const struct channel_message *message)
{
    renewal_on_message(&desk->renewal, worker, message);
}

void reload_desk_on_death(struct reload_desk *desk, unsigned worker)
{
    renewal_on_death(&desk->renewal, worker);
}
