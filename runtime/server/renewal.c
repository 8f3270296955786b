/*
 * renewal — a vote, whose end changes what runs.
 */
#include "server/renewal.h"

#include <assert.h>
#include <unistd.h>

#include "net/loop.h"
#include "server/workforce.h"

#define ERRORS_BYTES_MAX 65536

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

static bool is_failing(void *data)
{
    const struct renewal *renewal = data;
    return workforce_is_failing(renewal->options.workforce);
}

static void add_descriptors(const struct renewal *renewal, unsigned worker,
                            struct channel_message *message)
{
    size_t places[PLAN_LISTENERS_MAX];

    plan_match_listeners(renewal->options.subject.plan, &renewal->plan, places);
    message->fds[message->fd_count++] = renewal->bundle_fd;
    for (size_t i = 0; i < renewal->plan.listener_count; i++) {
        if (places[i] == PLAN_LISTENER_NEW)
            message->fds[message->fd_count++] = sockets_fd(&renewal->sockets, i, worker, 0);
    }
}

static bool send_to(void *data, unsigned worker, struct channel_message *message)
{
    const struct renewal *renewal = data;

    if (message->kind == CHANNEL_BUILD)
        add_descriptors(renewal, worker, message);
    return workforce_send(renewal->options.workforce, worker, message);
}

static bool on_decided(void *data)
{
    struct renewal *renewal = data;
    const struct renewal_subject *subject = &renewal->options.subject;
    struct sockets sockets = *subject->sockets;
    struct plan plan = *subject->plan;
    int bundle_fd = *subject->bundle_fd;

    *subject->bundle_fd = renewal->bundle_fd;
    *subject->plan = renewal->plan;
    *subject->sockets = renewal->sockets;
    *subject->generation = renewal->reload.generation;
    renewal->is_decided = true;
    renewal->bundle_fd = bundle_fd;
    renewal->plan = plan;
    renewal->sockets = sockets; /* workers still accept from those that go */
    sockets_announce(subject->sockets, subject->plan, &renewal->sockets);
    return !sockets_bar(&renewal->sockets, &renewal->plan, subject->sockets);
}

static void on_left_behind(void *data, unsigned worker)
{
    const struct renewal *renewal = data;
    workforce_renew(renewal->options.workforce, worker);
}

static void close_descriptors(struct renewal *renewal)
{
    sockets_close(&renewal->sockets);
    if (renewal->bundle_fd >= 0)
        close(renewal->bundle_fd);
    renewal->bundle_fd = -1;
}

static void on_ended(void *data, struct slice errors)
{
    struct renewal *renewal = data;

    assert(renewal->is_decided == (errors.length == 0));
    renewal->options.ended(renewal->options.data, errors);
    close_descriptors(renewal);
}

int renewal_take_previous(struct renewal *renewal, struct plan *plan)
{
    int bundle_fd = renewal->bundle_fd;

    assert(renewal->is_decided);
    *plan = renewal->plan;
    renewal->bundle_fd = -1;
    return bundle_fd;
}

void renewal_begin(struct renewal *renewal, const struct plan *plan, int bundle_fd)
{
    const struct renewal_subject *subject = &renewal->options.subject;
    struct buffer errors;

    assert(!renewal_is_running(renewal) && renewal->bundle_fd < 0);
    buffer_init(&errors, ERRORS_BYTES_MAX, NULL);
    renewal->plan = *plan;
    renewal->bundle_fd = bundle_fd;
    renewal->is_decided = renewal->reload.is_suspect = false;
    if (!sockets_open(&renewal->sockets, &renewal->plan, subject->sockets, subject->plan,
                      &errors)) {
        on_ended(renewal, buffer_slice(&errors));
    } else {
        reload_begin(&renewal->reload, *subject->generation + 1);
        watch_time(renewal);
    }
    buffer_clear(&errors);
}

bool renewal_may_pass(const struct renewal *renewal)
{
    return !renewal->reload.is_suspect;
}

bool renewal_is_running(const struct renewal *renewal)
{
    return renewal->reload.step != RELOAD_NONE;
}

void renewal_init(struct renewal *renewal, const struct renewal_options *options)
{
    struct reload_events events = {.is_serving = is_serving,
                                   .is_failing = is_failing,
                                   .send = send_to,
                                   .decided = on_decided,
                                   .left_behind = on_left_behind,
                                   .ended = on_ended,
                                   .data = renewal};

    *renewal = (struct renewal){.options = *options, .bundle_fd = -1};
    reload_init(&renewal->reload, (unsigned)options->subject.sockets->worker_count, &events);
    ev_init(&renewal->late, on_late);
    renewal->late.data = renewal;
}

void renewal_clear(struct renewal *renewal)
{
    ev_timer_stop(renewal->options.loop->ev, &renewal->late);
    renewal->reload.step = RELOAD_NONE;
    close_descriptors(renewal);
}

void renewal_abandon(struct renewal *renewal)
{
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
