/*
 * upgrade — waits for one word of the program that was started, or for its end.
 */
#include "server/upgrade.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "net/loop.h"
#include "server/channel.h"
#include "server/handover.h"
#include "server/handover_word.h"
#include "server/program.h"

/* For one that has failed to end by itself. */
#define END_SECONDS      5.0
#define ERRORS_BYTES_MAX ((size_t)2 * CHANNEL_TEXT_BYTES_MAX)

struct upgrade {
    struct upgrade_options options;
    pid_t pid; /* 0: it has ended, or serves */
    struct channel *channel;
    ev_io hears;
    ev_timer late;
    struct buffer errors;
};

static void stop_hearing(struct upgrade *upgrade)
{
    ev_io_stop(upgrade->options.loop->ev, &upgrade->hears);
    ev_timer_stop(upgrade->options.loop->ev, &upgrade->late);
}

static void set_timer(struct upgrade *upgrade, double seconds)
{
    ev_timer_stop(upgrade->options.loop->ev, &upgrade->late);
    ev_timer_set(&upgrade->late, seconds, 0);
    ev_timer_start(upgrade->options.loop->ev, &upgrade->late);
}

/* "1101 NOTE". */
static void succeed(struct upgrade *upgrade, struct slice rest)
{
    size_t kept = slice_find(rest, ' ');
    struct upgrade_outcome outcome = {
        .pid = upgrade->pid, .kept = slice_of(rest.start, kept), .note = slice_after(rest, kept)};

    if (outcome.note.length > 0)
        outcome.note = slice_after(outcome.note, 1);
    stop_hearing(upgrade);
    upgrade->pid = 0;
    upgrade->options.ended(upgrade->options.data, &outcome);
}

static void fail(struct upgrade *upgrade)
{
    struct upgrade_outcome outcome = {.errors = buffer_slice(&upgrade->errors)};

    stop_hearing(upgrade);
    upgrade->options.ended(upgrade->options.data, &outcome);
}

/* True when that was its word, and the upgrade may be gone. */
static bool hear(struct upgrade *upgrade, const struct channel_message *message)
{
    struct slice name, rest;

    if (!handover_word_read(message, &name, &rest))
        return false;
    if (slice_equals(name, SLICE("serving")) && upgrade->pid != 0) {
        succeed(upgrade, rest);
        return true;
    }
    if (slice_equals(name, SLICE("failed"))) {
        buffer_append(&upgrade->errors, rest);
        set_timer(upgrade, END_SECONDS);
    }
    return false;
}

static void on_heard(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct upgrade *upgrade = watcher->data;
    struct channel_message message;
    enum channel_outcome outcome;

    while ((outcome = channel_receive(upgrade->channel, &message)) == CHANNEL_MESSAGE) {
        channel_message_clear(&message); /* but for its text */
        if (hear(upgrade, &message))
            return;
    }
    if (outcome == CHANNEL_CLOSED) { /* how it ended is told by SIGCHLD */
        ev_io_stop(ev, watcher);
        set_timer(upgrade, END_SECONDS);
    }
}

static void on_late(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct upgrade *upgrade = timer->data;

    if (buffer_length(&upgrade->errors) == 0)
        buffer_append(&upgrade->errors, SLICE("the new gateway does not come to serve in time\n"));
    kill(upgrade->pid, SIGKILL);
}

/* Who has said nothing else. */
static void add_end(struct upgrade *upgrade, int status)
{
    char text[128];
    int length = WIFSIGNALED(status)
                     ? snprintf(text, sizeof(text), "the new gateway was ended by signal %d\n",
                                WTERMSIG(status))
                     : snprintf(text, sizeof(text), "the new gateway exited with %d: see the log\n",
                                WEXITSTATUS(status));

    buffer_append(&upgrade->errors, slice_of(text, (size_t)length));
}

void upgrade_reap(struct upgrade *upgrade)
{
    int status;

    if (upgrade->pid == 0 || waitpid(upgrade->pid, &status, WNOHANG) != upgrade->pid)
        return;
    upgrade->pid = 0; /* whatever its last words were, it does not serve */
    on_heard(upgrade->options.loop->ev, &upgrade->hears, EV_READ);
    if (buffer_length(&upgrade->errors) == 0)
        add_end(upgrade, status);
    fail(upgrade);
}

static struct upgrade *create(const struct upgrade_options *options, struct channel *channel,
                              pid_t pid)
{
    struct upgrade *upgrade = mem_zeroed(sizeof(*upgrade));

    *upgrade = (struct upgrade){.options = *options, .pid = pid, .channel = channel};
    buffer_init(&upgrade->errors, ERRORS_BYTES_MAX, NULL);
    ev_io_init(&upgrade->hears, on_heard, channel_fd(channel), EV_READ);
    ev_init(&upgrade->late, on_late);
    upgrade->hears.data = upgrade->late.data = upgrade;
    ev_io_start(options->loop->ev, &upgrade->hears);
    set_timer(upgrade, UPGRADE_SECONDS_MAX);
    return upgrade;
}

struct upgrade *upgrade_begin(const struct upgrade_options *options,
                              const struct handover *handover)
{
    struct channel *ends[2];

    if (!channel_create_pair(ends))
        return NULL;
    pid_t pid = handover_send(handover, ends[0]) ? program_start(options->arguments, ends[1]) : -1;
    int problem = errno;
    channel_destroy(&ends[1]);
    if (pid > 0)
        return create(options, ends[0], pid);
    channel_destroy(&ends[0]);
    errno = problem;
    return NULL;
}

void upgrade_destroy(struct upgrade **pointer)
{
    struct upgrade *upgrade = *pointer;

    stop_hearing(upgrade);
    if (upgrade->pid != 0) {
        kill(upgrade->pid, SIGKILL);
        waitpid(upgrade->pid, NULL, 0);
    }
    upgrade_abandon(pointer);
}

void upgrade_abandon(struct upgrade **upgrade)
{
    channel_destroy(&(*upgrade)->channel);
    buffer_clear(&(*upgrade)->errors);
    free(*upgrade);
    *upgrade = NULL;
}
