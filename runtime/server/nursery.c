/*
 * nursery — its beginning and its end, as the master sees them.
 */
#include "server/nursery.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/channel.h"
#include "server/nursery_child.h"
#include "server/worker.h"

static struct ev_loop *loop_of(const struct nursery *nursery)
{
    return nursery->options.loop->ev;
}

static void plan(struct nursery *nursery, double seconds)
{
    ev_timer_stop(loop_of(nursery), &nursery->next);
    ev_timer_set(&nursery->next, seconds, 0);
    ev_timer_start(loop_of(nursery), &nursery->next);
}

static void stop_hearing(struct nursery *nursery)
{
    if (nursery->channel == NULL)
        return;
    ev_io_stop(loop_of(nursery), &nursery->hears);
    channel_destroy(&nursery->channel);
}

static void forget(struct nursery *nursery)
{
    stop_hearing(nursery);
    nursery->pid = 0;
    nursery->is_ready = false;
}

/* It dies with all that it holds before this returns, listening sockets among it. */
static void kill_now(struct nursery *nursery)
{
    ev_timer_stop(loop_of(nursery), &nursery->next);
    if (nursery->pid == 0)
        return;
    kill(nursery->pid, SIGKILL);
    while (waitpid(nursery->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    forget(nursery);
}

static void on_heard(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct nursery *nursery = watcher->data;
    struct channel_message message;
    enum channel_outcome outcome;
    bool was_ready = nursery->is_ready;

    while ((outcome = channel_receive(nursery->channel, &message)) == CHANNEL_MESSAGE) {
        nursery->is_ready = nursery->is_ready || message.kind == CHANNEL_READY;
        channel_message_clear(&message);
    }
    if (outcome == CHANNEL_CLOSED)
        stop_hearing(nursery); /* its end is told by a signal */
    if (was_ready || !nursery->is_ready)
        return;
    nursery->since = clock_monotonic();
    nursery->options.settled(nursery->options.data);
}

static _Noreturn void become_nursery(struct nursery *nursery, struct channel *line, pid_t master,
                                     bool is_awaited)
{
    struct nursery_child child = {
        .worker = *nursery->options.worker, .line = line, .is_idle = !is_awaited};

    child.worker.master = master;
    nursery->options.in_child(nursery->options.data);
    nursery_child_run(&child);
}

static bool begin(struct nursery *nursery, bool is_awaited)
{
    struct channel *ends[2];
    pid_t master = getpid();

    if (!channel_create_pair(ends))
        return false;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        channel_destroy(&ends[0]);
        become_nursery(nursery, ends[1], master, is_awaited);
    }
    channel_destroy(&ends[1]);
    if (pid < 0) {
        channel_destroy(&ends[0]);
        return false;
    }
    nursery->pid = pid;
    nursery->generation = nursery->options.worker->generation;
    nursery->channel = ends[0];
    ev_io_set(&nursery->hears, channel_fd(nursery->channel), EV_READ);
    ev_io_start(loop_of(nursery), &nursery->hears);
    return true;
}

static void plan_again(struct nursery *nursery, double ready_seconds)
{
    plan(nursery, backoff_pause(&nursery->backoff, ready_seconds, 0.5));
}

static void on_next(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct nursery *nursery = timer->data;

    if (nursery->options.is_unsettled(nursery->options.data))
        plan(nursery, NURSERY_QUIET_SECONDS);
    else if (!begin(nursery, false))
        plan_again(nursery, 0);
}

static void log_end(const struct nursery *nursery, int status)
{
    if (WIFSIGNALED(status))
        log_write(LOG_WARNING, "the nursery (pid %d) was ended by signal %d", (int)nursery->pid,
                  WTERMSIG(status));
    else
        log_write(LOG_WARNING, "the nursery (pid %d) exited with %d", (int)nursery->pid,
                  WEXITSTATUS(status));
}

void nursery_init(struct nursery *nursery, const struct nursery_options *options)
{
    *nursery = (struct nursery){.options = *options};
    ev_init(&nursery->hears, on_heard);
    ev_init(&nursery->next, on_next);
    nursery->hears.data = nursery->next.data = nursery;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

bool nursery_begin(struct nursery *nursery)
{
    return begin(nursery, true);
}

void nursery_follow(struct nursery *nursery)
{
    if (nursery->generation == nursery->options.worker->generation)
        return;
    kill_now(nursery);
    nursery->generation = nursery->options.worker->generation;
    nursery->backoff = (struct backoff){0};
    plan(nursery, NURSERY_QUIET_SECONDS);
}

bool nursery_fork(struct nursery *nursery, unsigned worker, const struct channel *end)
{
    const struct worker_options *options = nursery->options.worker;
    const struct channel_message message = {.kind = CHANNEL_FORK,
                                            .ok = !options->waits_to_listen,
                                            .generation = worker,
                                            .fd_count = 1,
                                            .fds = {channel_fd(end)}};

    return nursery->is_ready && nursery->channel != NULL &&
           nursery->generation == options->generation && channel_send(nursery->channel, &message);
}

void nursery_distrust(struct nursery *nursery)
{
    if (nursery->pid == 0)
        return;
    kill_now(nursery);
    plan_again(nursery, 0);
}

void nursery_reap(struct nursery *nursery)
{
    int status;

    if (nursery->pid == 0 || waitpid(nursery->pid, &status, WNOHANG) != nursery->pid)
        return;
    double ready_seconds = nursery->is_ready ? clock_monotonic() - nursery->since : 0;
    log_end(nursery, status);
    forget(nursery);
    plan_again(nursery, ready_seconds);
    nursery->options.settled(nursery->options.data);
}

void nursery_end(struct nursery *nursery)
{
    kill_now(nursery);
}

void nursery_abandon(struct nursery *nursery)
{
    if (nursery->channel != NULL)
        channel_destroy(&nursery->channel);
}
