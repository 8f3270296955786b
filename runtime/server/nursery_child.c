/*
 * nursery_child — builds once, sleeps, forks.
 *
 * What builds at others' leisure is a thread, since nobody could raise the process again where the
 * system does not allow it: priority belongs to the thread, and workers get that of the one that
 * forks.
 */
#include "server/nursery_child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/priority.h"
#include "base/yielding.h"
#include "server/channel.h"
#include "server/orphan.h"
#include "server/worker_build.h"

/* As `ps` shows them; at most 15 bytes. */
#define NAME        "nursery"
#define WORKER_NAME "moongate"

/* Those that mean something to the master, or to a worker. */
static void set_signals(int how)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(how, &signals, NULL);
}

/* ---- building ---- */

struct building {
    struct nursery_child *child;
    bool may_go_back;
    pid_t thread_id;
};

static void *build_idle(void *data)
{
    struct building *building = data;

    if (building->may_go_back)
        priority_set_idle(0, true);
    else
        priority_lower(0);
    __atomic_store_n(&building->thread_id, gettid(), __ATOMIC_RELEASE);
    if (building->may_go_back)
        yielding_begin();
    building->child->worker.built = worker_build(&building->child->worker);
    return NULL;
}

/* Waits for it; after a while it gets its share. */
static void await(struct building *building, pthread_t thread)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)PRIORITY_PATIENCE_SECONDS_MAX;
    if (pthread_timedjoin_np(thread, NULL, &until) == 0)
        return;
    pid_t thread_id = __atomic_load_n(&building->thread_id, __ATOMIC_ACQUIRE);
    if (building->may_go_back && thread_id != 0)
        priority_set_idle(thread_id, false);
    pthread_join(thread, NULL);
}

static bool build(struct nursery_child *child)
{
    struct building building = {.child = child, .may_go_back = priority_may_go_back()};
    pthread_t thread;

    if (child->is_idle && pthread_create(&thread, NULL, build_idle, &building) == 0)
        await(&building, thread);
    else
        child->worker.built = worker_build(&child->worker);
    return child->worker.built != NULL;
}

/* ---- forking ---- */

/* The worker is the master's child when this end of the pipe is the only one. */
static void await_adoption(int fd)
{
    char byte;

    while (read(fd, &byte, 1) < 0 && errno == EINTR)
        continue;
    close(fd);
}

/* False when the master has given it up. */
static bool introduce(struct channel *channel)
{
    const struct channel_message born = {
        .kind = CHANNEL_BORN, .ok = true, .generation = (uint64_t)getpid()};
    struct pollfd readable = {.fd = channel_fd(channel), .events = POLLIN};
    struct channel_message message;
    enum channel_outcome outcome;

    if (!channel_send(channel, &born))
        return false;
    while ((outcome = channel_receive(channel, &message)) == CHANNEL_NOTHING)
        poll(&readable, 1, -1);
    return outcome == CHANNEL_MESSAGE && message.kind == CHANNEL_ADOPT;
}

static _Noreturn void become_worker(struct nursery_child *child, struct channel *channel)
{
    channel_destroy(&child->line);
    prctl(PR_SET_NAME, WORKER_NAME);
    if (!orphan_bind(child->worker.master) || !introduce(channel))
        _exit(1);
    child->worker.channel = channel;
    int code = worker_run(&child->worker);
    channel_destroy(&channel);
    exit(code);
}

/* Forks once more and ends, so that who comes of it is left to the master. `fds`: of a pipe. */
static void fork_in_between(struct nursery_child *child, struct channel *channel, const int fds[2])
{
    pid_t pid = fork();

    if (pid != 0)
        _exit(pid > 0 ? 0 : 1);
    close(fds[1]);
    await_adoption(fds[0]);
    become_worker(child, channel);
}

/* Where it fails, the channel's end is closed with nothing said on it. */
static void fork_worker(struct nursery_child *child, struct channel_message *message)
{
    int fds[2];
    int end = channel_message_take(message, 0);
    struct channel *channel = end >= 0 ? channel_adopt(end) : NULL;

    if (channel == NULL)
        return;
    child->worker.index = (unsigned)message->generation;
    child->worker.waits_to_listen = !message->ok;
    if (pipe2(fds, O_CLOEXEC) == 0) {
        pid_t pid = fork();
        if (pid == 0)
            fork_in_between(child, channel, fds);
        close(fds[0]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        close(fds[1]);
    }
    channel_destroy(&channel);
}

static void serve(struct nursery_child *child)
{
    struct pollfd readable = {.fd = channel_fd(child->line), .events = POLLIN};
    struct channel_message message;
    enum channel_outcome outcome;

    while ((outcome = channel_receive(child->line, &message)) != CHANNEL_CLOSED) {
        if (outcome == CHANNEL_NOTHING) {
            poll(&readable, 1, -1);
            continue;
        }
        if (message.kind == CHANNEL_FORK)
            fork_worker(child, &message);
        channel_message_clear(&message);
    }
}

void nursery_child_run(struct nursery_child *child)
{
    const struct channel_message ready = {.kind = CHANNEL_READY, .ok = true};

    prctl(PR_SET_NAME, NAME);
    log_set_process(NAME);
    if (!orphan_bind(child->worker.master))
        _exit(1);
    set_signals(SIG_UNBLOCK); /* while there is Lua to run: it may start programs */
    bool is_built = worker_become_user(&child->worker) && build(child);
    set_signals(SIG_BLOCK); /* each worker unblocks them when it knows what to do */
    fflush(NULL);           /* what is left in buffers would be written by each worker */
    if (!is_built || !channel_send(child->line, &ready))
        _exit(1);
    serve(child);
    _exit(0);
}
