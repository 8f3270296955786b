/*
 * workforce — fork, waitpid, and a channel to each worker.
 */
#include "server/workforce.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "server/channel.h"
#include "server/nursery.h"
#include "server/orphan.h"
#include "shm/shared.h"

static unsigned index_of(const struct workforce_member *member)
{
    return (unsigned)(member - member->workforce->members);
}

static struct ev_loop *loop_of(const struct workforce *workforce)
{
    return workforce->options.loop->ev;
}

/* From 0 to below 1. */
static double random_share(void)
{
    uint32_t word = 0;

    if (getrandom(&word, sizeof(word), GRND_NONBLOCK) != (ssize_t)sizeof(word))
        return 0.5;
    return word / ((double)UINT32_MAX + 1);
}

static void plan_restart(struct workforce_member *member, double seconds)
{
    ev_timer_set(&member->restart, seconds, 0);
    ev_timer_start(loop_of(member->workforce), &member->restart);
}

static void stop_hearing(struct workforce_member *member)
{
    if (member->channel == NULL)
        return;
    ev_io_stop(loop_of(member->workforce), &member->hears);
    channel_destroy(&member->channel);
}

static void become_worker(struct workforce_member *member, struct channel *channel, pid_t master)
{
    struct workforce *workforce = member->workforce;
    struct worker_options options = workforce->options.worker;

    if (!orphan_bind(master))
        _exit(1);
    options.master = master;
    options.index = index_of(member);
    options.channel = channel;
    workforce->options.in_child(workforce->options.data);
    int code = worker_run(&options);
    channel_destroy(&channel);
    exit(code);
}

static void expect(struct workforce_member *member)
{
    member->is_expected = true;
    ev_timer_set(&member->birth, WORKFORCE_BIRTH_SECONDS_MAX, 0);
    ev_timer_start(loop_of(member->workforce), &member->birth);
}

/* False when the system has no process to give. In the child it does not return. */
static bool start_from_here(struct workforce_member *member, struct channel *ends[2])
{
    pid_t master = getpid();

    pid_t pid = fork();
    if (pid == 0) {
        channel_destroy(&ends[0]);
        become_worker(member, ends[1], master);
    }
    member->pid = pid > 0 ? pid : 0;
    return pid > 0;
}

/* The same. */
static bool start(struct workforce_member *member)
{
    struct workforce *workforce = member->workforce;
    struct channel *ends[2];

    if (!channel_create_pair(ends))
        return false;
    if (!member->was_lost && nursery_fork(workforce->options.nursery, index_of(member), ends[1])) {
        expect(member);
    } else if (!start_from_here(member, ends)) {
        channel_destroy(&ends[0]);
        channel_destroy(&ends[1]);
        return false;
    }
    channel_destroy(&ends[1]);
    member->was_lost = false;
    member->channel = ends[0];
    ev_io_set(&member->hears, channel_fd(member->channel), EV_READ);
    ev_io_start(loop_of(workforce), &member->hears);
    return true;
}

static void plan_next(struct workforce_member *member, double served_seconds)
{
    double pause = backoff_pause(&member->backoff, served_seconds, random_share());

    if (pause > 0)
        log_write(LOG_WARNING, "worker %u has ended soon %u times: it is started again in %.1f s",
                  index_of(member) + 1, member->backoff.soon_count, pause);
    plan_restart(member, pause);
}

static void on_restart(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct workforce_member *member = timer->data;
    struct workforce *workforce = member->workforce;
    bool is_another = member->has_ended && !member->was_lost;

    if (!start(member)) {
        plan_next(member, 0);
        return;
    }
    if (!is_another)
        return;
    member->restarts++;
    workforce->restarts++;
    workforce->options.on_restart(workforce->options.data);
}

/* It may have died since, and the signal that told of it has come: that is seen later, since this
 * comes from its channel. */
static void on_born(struct workforce_member *member, pid_t pid)
{
    static const struct channel_message ADOPT = {.kind = CHANNEL_ADOPT, .ok = true};

    member->is_expected = false;
    member->pid = pid;
    channel_send(member->channel, &ADOPT);
    for (int number = 1; number < 64; number++) {
        if ((member->signals & 1ULL << number) != 0)
            kill(pid, number);
    }
    member->signals = 0;
    ev_timer_stop(loop_of(member->workforce), &member->birth);
    ev_timer_set(&member->birth, 0, 0);
    ev_timer_start(loop_of(member->workforce), &member->birth);
}

static void on_message(struct workforce_member *member, const struct channel_message *message)
{
    struct workforce *workforce = member->workforce;

    if (message->kind == CHANNEL_BORN) {
        if (member->is_expected)
            on_born(member, (pid_t)message->generation);
        return;
    }
    if (message->kind != CHANNEL_READY) {
        workforce->options.on_message(workforce->options.data, index_of(member), message);
        return;
    }
    member->is_ready = true;
    member->served = clock_monotonic();
    workforce->ready_count++;
    if (workforce->ready_count == workforce->options.count)
        workforce->options.on_ready(workforce->options.data);
}

/* The nursery could not fork it, or it has ended before it was known: another one builds for
 * itself. */
static void lose(struct workforce_member *member)
{
    struct workforce *workforce = member->workforce;

    log_write(LOG_WARNING, "worker %u did not come from the nursery", index_of(member) + 1);
    stop_hearing(member);
    ev_timer_stop(loop_of(workforce), &member->birth);
    member->is_expected = false;
    member->was_lost = true;
    member->signals = 0;
    if (!workforce->is_stopping)
        plan_restart(member, 0);
    else if (workforce_is_empty(workforce))
        workforce->options.on_empty(workforce->options.data);
}

static void on_birth(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct workforce_member *member = timer->data;
    struct workforce *workforce = member->workforce;

    if (!member->is_expected) {
        workforce_reap(workforce);
        return;
    }
    lose(member);
    nursery_distrust(workforce->options.nursery);
}

static void on_heard(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct workforce_member *member = watcher->data;
    struct channel_message message;
    enum channel_outcome outcome;

    while ((outcome = channel_receive(member->channel, &message)) == CHANNEL_MESSAGE) {
        on_message(member, &message);
        channel_message_clear(&message);
    }
    if (outcome != CHANNEL_CLOSED)
        return;
    if (member->is_expected)
        lose(member);
    else
        stop_hearing(member);
}

static void log_end(unsigned index, pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        log_write(LOG_ERROR, "worker %u (pid %d) was ended by signal %d", index + 1, (int)pid,
                  WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        log_write(LOG_ERROR, "worker %u (pid %d) exited with %d", index + 1, (int)pid,
                  WEXITSTATUS(status));
}

bool workforce_is_empty(const struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++) {
        if (workforce->members[i].pid != 0 || workforce->members[i].is_expected)
            return false;
    }
    return true;
}

bool workforce_expects(const struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++) {
        if (workforce->members[i].is_expected)
            return true;
    }
    return false;
}

static void on_end(struct workforce_member *member, int status)
{
    struct workforce *workforce = member->workforce;
    const struct workforce_options *options = &workforce->options;
    bool was_ready = member->is_ready;
    double served_seconds = was_ready ? clock_monotonic() - member->served : 0;

    log_end(index_of(member), member->pid, status);
    stop_hearing(member);
    shared_forget_worker(options->worker.shared, index_of(member));
    member->pid = 0;
    member->is_ready = member->is_stopped = false;
    member->has_ended = true;
    workforce->ready_count -= was_ready;
    if (workforce->is_stopping) {
        if (workforce_is_empty(workforce))
            options->on_empty(options->data);
        return;
    }
    plan_next(member, served_seconds);
    options->on_death(options->data, index_of(member));
    if (!was_ready && WIFEXITED(status) && WEXITSTATUS(status) == 1)
        options->on_failed(options->data);
}

static void on_change(struct workforce_member *member, int status)
{
    if (WIFSTOPPED(status) || WIFCONTINUED(status))
        member->is_stopped = WIFSTOPPED(status);
    else
        on_end(member, status);
}

void workforce_init(struct workforce *workforce, const struct workforce_options *options)
{
    *workforce = (struct workforce){.options = *options};
    workforce->members = mem_zeroed_array(options->count, sizeof(*workforce->members));
    for (unsigned i = 0; i < options->count; i++) {
        struct workforce_member *member = &workforce->members[i];
        member->workforce = workforce;
        ev_init(&member->hears, on_heard);
        ev_init(&member->restart, on_restart);
        ev_init(&member->birth, on_birth);
        member->hears.data = member->restart.data = member->birth.data = member;
    }
}

void workforce_clear(struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++) {
        stop_hearing(&workforce->members[i]);
        ev_timer_stop(loop_of(workforce), &workforce->members[i].restart);
        ev_timer_stop(loop_of(workforce), &workforce->members[i].birth);
    }
    free(workforce->members);
    *workforce = (struct workforce){0};
}

void workforce_abandon(struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++) {
        if (workforce->members[i].channel != NULL)
            channel_destroy(&workforce->members[i].channel);
    }
    free(workforce->members);
}

void workforce_start(struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++)
        plan_restart(&workforce->members[i], 0);
}

void workforce_stop(struct workforce *workforce)
{
    workforce->is_stopping = true;
    for (unsigned i = 0; i < workforce->options.count; i++)
        ev_timer_stop(loop_of(workforce), &workforce->members[i].restart);
    if (workforce_is_empty(workforce))
        workforce->options.on_empty(workforce->options.data);
}

void workforce_reap(struct workforce *workforce)
{
    int status;

    /* Each by its id: other children are somebody else's to wait for. */
    for (unsigned i = 0; i < workforce->options.count; i++) {
        struct workforce_member *member = &workforce->members[i];
        while (member->pid != 0 &&
               waitpid(member->pid, &status, WNOHANG | WUNTRACED | WCONTINUED) == member->pid)
            on_change(member, status);
    }
}

static void send_signal(struct workforce_member *member, int signal_number)
{
    if (member->pid != 0)
        kill(member->pid, signal_number);
    else if (member->is_expected)
        member->signals |= 1ULL << signal_number;
}

void workforce_signal_one(struct workforce *workforce, unsigned worker, int signal_number)
{
    send_signal(&workforce->members[worker], signal_number);
}

void workforce_renew(struct workforce *workforce, unsigned worker)
{
    struct workforce_member *member = &workforce->members[worker];

    member->backoff = (struct backoff){0};
    send_signal(member, SIGTERM);
    if (!ev_is_active(&member->restart))
        return;
    ev_timer_stop(loop_of(workforce), &member->restart);
    plan_restart(member, 0);
}

double workforce_next_try(const struct workforce *workforce, unsigned worker)
{
    const struct workforce_member *member = &workforce->members[worker];

    if (!ev_is_active(&member->restart))
        return 0;
    double left = ev_timer_remaining(loop_of(workforce), (ev_timer *)&member->restart);
    return left > 0 ? left : 0;
}

bool workforce_is_ready(const struct workforce *workforce, unsigned worker)
{
    return workforce->members[worker].is_ready;
}

bool workforce_is_failing(const struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->options.count; i++) {
        if (workforce->members[i].backoff.soon_count > 1)
            return true;
    }
    return false;
}

bool workforce_send(struct workforce *workforce, unsigned worker,
                    const struct channel_message *message)
{
    const struct channel *channel = workforce->members[worker].channel;
    return channel != NULL && channel_send(channel, message);
}

void workforce_signal(struct workforce *workforce, int signal_number)
{
    for (unsigned i = 0; i < workforce->options.count; i++)
        send_signal(&workforce->members[i], signal_number);
}
