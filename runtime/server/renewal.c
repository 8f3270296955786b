/*
 * renewal — the rehearsal's answer begins a vote, its end changes what runs.
 */
#include "server/renewal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "bridge/bundle.h"
#include "net/loop.h"
#include "server/workforce.h"

#define ERRORS_BYTES_MAX 65536

static void end(struct renewal *renewal, bool is_new, struct slice errors)
{
    renewal->options.ended(renewal->options.data, is_new, errors);
    if (!renewal->is_wanted_again)
        return;
    renewal->is_wanted_again = false;
    renewal_begin(renewal);
}

/* Of the step that has just begun, if one has. */
static void watch_time(struct renewal *renewal)
{
    double seconds = reload_seconds_max(&renewal->reload);

    ev_timer_stop(renewal->options.loop->ev, &renewal->late);
    if (seconds == 0)
        return;
    ev_timer_set(&renewal->late, seconds, 0);
    ev_timer_start(renewal->options.loop->ev, &renewal->late);
}

static void on_late(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct renewal *renewal = timer->data;

    reload_on_late(&renewal->reload);
    watch_time(renewal);
}

/* ---- what the vote asks for ---- */

static bool is_serving(void *data, unsigned worker)
{
    const struct renewal *renewal = data;
    return workforce_is_ready(renewal->options.workforce, worker);
}

static void add_descriptors(const struct renewal *renewal, unsigned worker,
                            struct channel_message *message)
{
    size_t places[PLAN_LISTENERS_MAX];

    plan_match_listeners(renewal->options.subject.plan, &renewal->plan, places);
    message->fds[message->fd_count++] = renewal->bundle_fd;
    for (size_t i = 0; i < renewal->plan.listener_count; i++) {
        if (places[i] == PLAN_LISTENER_NEW)
            message->fds[message->fd_count++] = sockets_fd(&renewal->sockets, i, worker);
    }
}

static bool send_to(void *data, unsigned worker, struct channel_message *message)
{
    const struct renewal *renewal = data;

    if (message->kind == CHANNEL_BUILD)
        add_descriptors(renewal, worker, message);
    return workforce_send(renewal->options.workforce, worker, message);
}

static void on_decided(void *data)
{
    struct renewal *renewal = data;
    const struct renewal_subject *subject = &renewal->options.subject;
    struct sockets previous = *subject->sockets;

    renewal->is_decided = true;
    close(*subject->bundle_fd);
    *subject->bundle_fd = renewal->bundle_fd;
    *subject->plan = renewal->plan;
    *subject->sockets = renewal->sockets;
    *subject->generation = renewal->reload.generation;
    renewal->sockets = previous; /* workers still accept from those that go */
    sockets_bar(&previous, subject->sockets);
    sockets_announce(subject->sockets, subject->plan, &previous);
}

static void on_left_behind(void *data, unsigned worker)
{
    const struct renewal *renewal = data;
    workforce_signal_one(renewal->options.workforce, worker, SIGTERM);
}

static void close_descriptors(struct renewal *renewal)
{
    sockets_close(&renewal->sockets);
    if (renewal->bundle_fd >= 0 && !renewal->is_decided)
        close(renewal->bundle_fd);
    renewal->bundle_fd = -1;
}

static void on_ended(void *data, struct slice errors)
{
    struct renewal *renewal = data;

    close_descriptors(renewal);
    end(renewal, renewal->is_decided, errors);
}

/* ---- the rehearsal ---- */

static void begin_vote(struct renewal *renewal)
{
    const struct renewal_subject *subject = &renewal->options.subject;
    struct buffer errors;

    buffer_init(&errors, ERRORS_BYTES_MAX, NULL);
    renewal->is_decided = false;
    if (!sockets_open(&renewal->sockets, &renewal->plan, subject->sockets, subject->plan,
                      &errors)) {
        close(renewal->bundle_fd);
        renewal->bundle_fd = -1;
        end(renewal, false, buffer_slice(&errors));
    } else {
        reload_begin(&renewal->reload, *subject->generation + 1);
        watch_time(renewal);
    }
    buffer_clear(&errors);
}

/* Whether both were read from the same files with the same contents. */
static bool is_same(int bundle_fd, int other_fd)
{
    struct bundle *bundle = bundle_open(bundle_fd), *other = bundle_open(other_fd);
    bool is_same = bundle != NULL && other != NULL &&
                   memcmp(bundle_digest(bundle), bundle_digest(other), BUNDLE_DIGEST_BYTES) == 0;

    if (bundle != NULL)
        bundle_destroy(&bundle);
    if (other != NULL)
        bundle_destroy(&other);
    return is_same;
}

static void on_read(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct renewal *renewal = watcher->data;
    struct rehearsal_result result;

    ev_io_stop(ev, watcher);
    rehearsal_finish(&renewal->rehearsal, &result);
    if (result.is_good && is_same(result.bundle_fd, *renewal->options.subject.bundle_fd)) {
        end(renewal, false, SLICE(""));
    } else if (result.is_good) {
        renewal->plan = result.plan;
        renewal->bundle_fd = result.bundle_fd;
        result.bundle_fd = -1;
        begin_vote(renewal);
    } else {
        end(renewal, false, slice_from_string(result.errors));
    }
    rehearsal_result_clear(&result);
}

void renewal_begin(struct renewal *renewal)
{
    struct loop *loop = renewal->options.loop;

    if (renewal_is_running(renewal)) {
        renewal->is_wanted_again = true;
        return;
    }
    renewal->rehearsal =
        rehearsal_start(renewal->options.config_path, renewal->options.installation);
    if (renewal->rehearsal == NULL) {
        log_write(LOG_ERROR, "no process to read the configuration: %s", strerrordesc_np(errno));
        end(renewal, false, SLICE("there is no process to read the configuration\n"));
        return;
    }
    ev_io_set(&renewal->read, rehearsal_fd(renewal->rehearsal), EV_READ);
    ev_io_start(loop->ev, &renewal->read);
}

bool renewal_is_running(const struct renewal *renewal)
{
    return renewal->rehearsal != NULL || renewal->reload.step != RELOAD_NONE;
}

void renewal_init(struct renewal *renewal, const struct renewal_options *options)
{
    struct reload_events events = {.is_serving = is_serving,
                                   .send = send_to,
                                   .decided = on_decided,
                                   .left_behind = on_left_behind,
                                   .ended = on_ended,
                                   .data = renewal};

    *renewal = (struct renewal){.options = *options, .bundle_fd = -1};
    reload_init(&renewal->reload, (unsigned)options->subject.sockets->worker_count, &events);
    ev_init(&renewal->read, on_read);
    ev_init(&renewal->late, on_late);
    renewal->read.data = renewal->late.data = renewal;
}

void renewal_clear(struct renewal *renewal)
{
    struct ev_loop *ev = renewal->options.loop->ev;

    ev_io_stop(ev, &renewal->read);
    ev_timer_stop(ev, &renewal->late);
    if (renewal->rehearsal != NULL)
        rehearsal_cancel(&renewal->rehearsal);
    close_descriptors(renewal);
}

void renewal_abandon(struct renewal *renewal)
{
    if (renewal->rehearsal != NULL)
        close(rehearsal_fd(renewal->rehearsal));
    close_descriptors(renewal);
}

void renewal_on_message(struct renewal *renewal, unsigned worker,
                        const struct channel_message *message)
{
    enum reload_step before = renewal->reload.step;

    reload_on_message(&renewal->reload, worker, message);
    if (renewal->reload.step != before)
        watch_time(renewal);
}

void renewal_on_death(struct renewal *renewal, unsigned worker)
{
    enum reload_step before = renewal->reload.step;

    reload_on_death(&renewal->reload, worker);
    if (renewal->reload.step != before)
        watch_time(renewal);
}
