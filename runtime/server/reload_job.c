/*
 * reload_job — reading, comparing, voting, keeping.
 */
#include "server/reload_job.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priority.h"
#include "bridge/bundle.h"
#include "net/loop.h"
#include "server/difference.h"
#include "server/reload_answer.h"
#include "server/watch.h"
#include "server/watch_list.h"
#include "server/workforce.h"

struct reload_job {
    struct reload_options options;
    struct watch *watch;
    void (*ended)(void *data, const struct reload_outcome *outcome);
    void *data;
    enum reload_kind kind;
    enum history_cause cause;
    struct rehearsal *rehearsal;
    struct timespec read;           /* when it began to be read */
    bool is_watching, watches_more; /* than what was read: files of what ran before, too */
    ev_io reads;
    ev_timer patience; /* active while it is read at others' leisure */
    double usual;      /* seconds of CPU that it took to read the last time; 0: not known */
    struct renewal renewal;
    /* What the generations have that run, will run and ran; -1: unknown. */
    int inventory_fd, next_inventory_fd, previous_inventory_fd;
    int difference_fd; /* of what will run from what runs, where the files were read; or -1 */
    /* To go back to. */
    struct plan previous_plan;
    int previous_bundle_fd; /* -1: there is none */
};

static int copy_fd(int fd)
{
    return fd >= 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
}

/* ---- what it ends with ---- */

static void end(struct reload_job *job, struct reload_answer *answer)
{
    answer->history = job->options.history;
    descriptor_close(&job->next_inventory_fd);
    descriptor_close(&job->difference_fd);
    reload_answer_write(answer);
    struct reload_outcome outcome = {.is_done = answer->errors.length == 0,
                                     .may_pass = answer->may_pass,
                                     .text = buffer_slice(&answer->text),
                                     .json = buffer_slice(&answer->json),
                                     .brief = buffer_slice(&answer->brief)};
    job->ended(job->data, &outcome);
    reload_answer_clear(answer);
}

/* `may_pass`: the same files may do later. */
static void fail(struct reload_job *job, struct slice errors, bool may_pass)
{
    struct reload_answer answer = {.errors = errors, .may_pass = may_pass};

    if (job->kind == RELOAD_PREVIEW) {
        end(job, &answer);
        return;
    }
    history_fail(job->options.history, job->cause, errors);
    log_write(LOG_ERROR, "the configuration was not reloaded: %.*s", SLICE_FORMAT(errors));
    end(job, &answer);
}

static void end_unchanged(struct reload_job *job)
{
    struct reload_answer answer = {.is_unchanged = true,
                                   .unapplied = job->options.history->unapplied};

    history_settle(job->options.history);
    job->options.history->is_held = false;
    log_write(LOG_INFO, "the configuration is the same as before");
    end(job, &answer);
}

/* ---- reading ---- */

/* What the workers, the memory and the user are was settled at the start. */
static unsigned keep_settled(const struct reload_job *job, struct plan *plan)
{
    const struct plan *settled = job->options.subject.plan;
    unsigned count = job->options.workforce->options.count, unapplied = 0;

    if (plan->workers != settled->workers && plan->workers != count)
        unapplied |= UNAPPLIED_WORKERS;
    if (plan->memory_counters != settled->memory_counters ||
        plan->memory_limits != settled->memory_limits ||
        plan->memory_dict != settled->memory_dict ||
        plan->memory_values != settled->memory_values ||
        plan->memory_objects != settled->memory_objects)
        unapplied |= UNAPPLIED_MEMORY;
    if (strcmp(plan->user, settled->user) != 0)
        unapplied |= UNAPPLIED_USER;
    plan->workers = settled->workers;
    plan->memory_counters = settled->memory_counters;
    plan->memory_limits = settled->memory_limits;
    plan->memory_dict = settled->memory_dict;
    plan->memory_values = settled->memory_values;
    plan->memory_objects = settled->memory_objects;
    memcpy(plan->user, settled->user, sizeof(plan->user));
    return unapplied;
}

/* Files of what runs and of what was read last. */
static void watch_files(struct reload_job *job, int bundle_fd)
{
    const struct renewal_subject *subject = &job->options.subject;

    job->is_watching = subject->plan->watches_files;
    job->watches_more = watch_list_set(job->watch, job->is_watching ? bundle_fd : -1,
                                       job->is_watching ? *subject->bundle_fd : -1, job->read);
}

/* Files of what runs. */
static void watch_current(struct reload_job *job)
{
    const struct renewal_subject *subject = &job->options.subject;

    job->is_watching = subject->plan->watches_files;
    job->watches_more = false;
    watch_list_set(job->watch, job->is_watching ? *subject->bundle_fd : -1, -1, job->read);
}

/* Whether what is watched since it was read is not just the files of what runs by now. */
static bool watches_others(const struct reload_job *job)
{
    return job->kind == RELOAD_PREVIOUS || job->watches_more ||
           job->is_watching != job->options.subject.plan->watches_files;
}

/* Whoever went back may go forward by a reload, but not back to where it came from. */
static void keep_previous(struct reload_job *job)
{
    int bundle_fd = renewal_take_previous(&job->renewal, &job->previous_plan);

    descriptor_close(&job->previous_bundle_fd);
    descriptor_close(&job->previous_inventory_fd);
    if (job->kind == RELOAD_PREVIOUS) {
        descriptor_close(&bundle_fd);
        descriptor_close(&job->inventory_fd);
    }
    job->previous_bundle_fd = bundle_fd;
    job->previous_inventory_fd = job->inventory_fd;
    job->inventory_fd = job->next_inventory_fd;
    job->next_inventory_fd = -1;
}

/* NULL: it is not known. */
static struct difference *difference_of(const struct reload_job *job)
{
    return job->kind == RELOAD_PREVIOUS
               ? difference_create(job->inventory_fd, job->next_inventory_fd)
               : difference_open(job->difference_fd);
}

static void succeed(struct reload_job *job)
{
    struct history *history = job->options.history;
    struct difference *difference = difference_of(job);
    struct reload_answer answer = {.difference = difference,
                                   .has_nobody = job->options.workforce->ready_count == 0,
                                   .unapplied = history->unapplied};

    keep_previous(job);
    if (watches_others(job))
        watch_current(job);
    history_succeed(history, *job->options.subject.generation, job->cause);
    log_write(LOG_INFO, "generation %llu serves (%s)%s", (unsigned long long)history->generation,
              history_cause_name(job->cause), answer.has_nobody ? ": no worker does yet" : "");
    end(job, &answer);
    if (difference != NULL)
        difference_destroy(&difference);
}

static void compare(struct reload_job *job, const struct rehearsal_result *result,
                    unsigned unapplied)
{
    struct difference *difference = difference_open(result->difference_fd);
    struct reload_answer answer = {
        .is_preview = true,
        .is_unchanged = bundle_is_same(result->bundle_fd, *job->options.subject.bundle_fd),
        .difference = difference,
        .unapplied = unapplied};

    end(job, &answer);
    if (difference != NULL)
        difference_destroy(&difference);
}

static void on_renewed(void *data, struct slice errors)
{
    struct reload_job *job = data;

    if (errors.length > 0)
        fail(job, errors, renewal_may_pass(&job->renewal));
    else
        succeed(job);
}

/* What was read is good. */
static void use(struct reload_job *job, struct rehearsal_result *result)
{
    unsigned unapplied = keep_settled(job, &result->plan);

    if (job->kind == RELOAD_PREVIEW) {
        compare(job, result, unapplied);
        return;
    }
    job->options.history->unapplied = unapplied;
    if (bundle_is_same(result->bundle_fd, *job->options.subject.bundle_fd)) {
        end_unchanged(job);
        return;
    }
    job->next_inventory_fd = result->inventory_fd;
    job->difference_fd = result->difference_fd;
    int bundle_fd = result->bundle_fd;
    result->inventory_fd = result->difference_fd = result->bundle_fd = -1;
    renewal_begin(&job->renewal, &result->plan, bundle_fd);
}

static void on_read(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct reload_job *job = watcher->data;
    struct rehearsal_result result;

    ev_io_stop(ev, watcher);
    ev_timer_stop(ev, &job->patience);
    rehearsal_finish(&job->rehearsal, &result);
    job->usual = result.cpu_seconds;
    if (job->kind != RELOAD_PREVIEW)
        watch_files(job, result.bundle_fd);
    if (result.is_good)
        use(job, &result);
    else
        fail(job, slice_from_string(result.errors), false);
    rehearsal_result_clear(&result);
}

static void on_patience_lost(struct ev_loop *ev, ev_timer *timer, int events)
{
    const struct reload_job *job = timer->data;
    rehearsal_hurry(job->rehearsal);
}

static void read_files(struct reload_job *job)
{
    job->read = watch_moment();
    if (job->kind != RELOAD_PREVIEW)
        watch_forget_changes(job->watch);
    job->rehearsal = rehearsal_start(&(struct rehearsal_options){
        job->options.config_path, job->options.installation, job->inventory_fd, true});
    if (job->rehearsal == NULL) {
        fail(job, SLICE("the system has no process to read the configuration in\n"), true);
        return;
    }
    ev_io_set(&job->reads, rehearsal_fd(job->rehearsal), EV_READ);
    ev_io_start(job->options.loop->ev, &job->reads);
    ev_timer_set(&job->patience, priority_patience(job->usual), 0);
    ev_timer_start(job->options.loop->ev, &job->patience);
}

static void go_back(struct reload_job *job)
{
    int bundle_fd = job->previous_bundle_fd;

    if (bundle_fd < 0) {
        struct reload_answer answer = {
            .errors = job->options.history->cause == CAUSE_UPGRADE
                          ? SLICE("there is no generation before this one to go back to: an "
                                  "upgrade leaves behind what ran before\n")
                          : SLICE("there is no generation before this one to go back to\n")};
        end(job, &answer);
        return;
    }
    struct plan plan = job->previous_plan;
    job->options.history->unapplied = keep_settled(job, &plan);
    job->next_inventory_fd = copy_fd(job->previous_inventory_fd);
    renewal_begin(&job->renewal, &plan, copy_fd(bundle_fd));
}

void reload_job_begin(struct reload_job *job, enum reload_kind kind, enum history_cause cause)
{
    assert(job->rehearsal == NULL && !renewal_is_running(&job->renewal));
    job->kind = kind;
    job->cause = cause;
    if (kind == RELOAD_PREVIOUS)
        go_back(job);
    else
        read_files(job);
}

bool reload_job_is_reading(const struct reload_job *job)
{
    return job->rehearsal != NULL;
}

double reload_job_seconds_max(void)
{
    return REHEARSAL_SECONDS_MAX + RELOAD_BUILD_SECONDS_MAX + RELOAD_START_SECONDS_MAX +
           RELOAD_SWAP_SECONDS_MAX;
}

struct reload_job *
reload_job_create(const struct reload_options *options, struct watch *watch,
                  void (*ended)(void *data, const struct reload_outcome *outcome), void *data)
{
    struct reload_job *job = mem_zeroed(sizeof(*job));
    struct renewal_options renewal = {.loop = options->loop,
                                      .workforce = options->workforce,
                                      .subject = options->subject,
                                      .ended = on_renewed,
                                      .data = job};

    job->options = *options;
    job->watch = watch;
    job->ended = ended;
    job->data = data;
    job->previous_bundle_fd = -1;
    job->inventory_fd = job->next_inventory_fd = job->previous_inventory_fd = -1;
    job->difference_fd = -1;
    ev_init(&job->reads, on_read);
    ev_init(&job->patience, on_patience_lost);
    job->reads.data = job->patience.data = job;
    renewal_init(&job->renewal, &renewal);
    return job;
}

void reload_job_open(struct reload_job *job, const struct reload_opening *opening)
{
    job->inventory_fd = opening->inventory_fd;
    job->usual = opening->read_cpu_seconds;
    job->read = opening->read;
    watch_current(job);
}

static void close_kept(struct reload_job *job)
{
    descriptor_close(&job->previous_bundle_fd);
    descriptor_close(&job->previous_inventory_fd);
    descriptor_close(&job->inventory_fd);
    descriptor_close(&job->next_inventory_fd);
    descriptor_close(&job->difference_fd);
}

void reload_job_destroy(struct reload_job **pointer)
{
    struct reload_job *job = *pointer;

    *pointer = NULL;
    ev_io_stop(job->options.loop->ev, &job->reads);
    ev_timer_stop(job->options.loop->ev, &job->patience);
    if (job->rehearsal != NULL)
        rehearsal_cancel(&job->rehearsal);
    renewal_clear(&job->renewal);
    close_kept(job);
    free(job);
}

void reload_job_abandon(struct reload_job **pointer)
{
    struct reload_job *job = *pointer;

    *pointer = NULL;
    if (job->rehearsal != NULL)
        rehearsal_abandon(&job->rehearsal);
    renewal_abandon(&job->renewal);
    close_kept(job);
    free(job);
}

void reload_job_on_message(struct reload_job *job, unsigned worker,
                           const struct channel_message *message)
{
    renewal_on_message(&job->renewal, worker, message);
}

void reload_job_on_death(struct reload_job *job, unsigned worker)
{
    renewal_on_death(&job->renewal, worker);
}
