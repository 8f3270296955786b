/*
 * predecessor — one end of a channel, and of a pipe that its processes keep open.
 */
#include "server/predecessor.h"

#include <ev.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "net/loop.h"
#include "server/channel.h"
#include "server/handover_word.h"
#include "server/program.h"

#define HANDOVER_SECONDS_MAX 10.0

struct predecessor {
    pid_t pid;
    int pid_fd;              /* -1: it has ended, or the system has none */
    struct channel *channel; /* NULL: it needs to be told nothing any more */
    struct handover handover;
    struct loop *loop; /* NULL: its end is not waited for */
    ev_io ends;
    void (*gone)(void *data);
    void *data;
};

/* NULL when the environment names none, or what is none; no child is to find it again. */
static struct channel *find_channel(const char *number)
{
    char *end;
    long fd = strtol(number, &end, 10);
    struct channel *channel =
        *number != '\0' && *end == '\0' && fd > STDERR_FILENO ? channel_adopt((int)fd) : NULL;

    unsetenv(PROGRAM_CHANNEL_VARIABLE);
    return channel;
}

/* Of our parent, as long as it is that: whoever has its number later is somebody else. */
static int open_parent(pid_t pid)
{
    int fd = pidfd_open(pid, 0);

    if (fd >= 0 && getppid() != pid) {
        close(fd);
        fd = -1;
    }
    return fd;
}

enum predecessor_found predecessor_find(struct predecessor **predecessor)
{
    const char *number = getenv(PROGRAM_CHANNEL_VARIABLE);

    *predecessor = NULL;
    if (number == NULL)
        return PREDECESSOR_NONE;
    struct channel *channel = find_channel(number);
    if (channel == NULL)
        return PREDECESSOR_BROKEN;
    struct predecessor *found = mem_zeroed(sizeof(*found));
    pid_t pid = channel_maker(channel);
    *found = (struct predecessor){.pid = pid, .pid_fd = open_parent(pid), .channel = channel};
    if (handover_receive(&found->handover, channel, HANDOVER_SECONDS_MAX)) {
        *predecessor = found;
        return PREDECESSOR_FOUND;
    }
    predecessor_destroy(&found);
    return PREDECESSOR_BROKEN;
}

static void give_up(struct predecessor *predecessor)
{
    handover_clear(&predecessor->handover);
    if (predecessor->channel != NULL)
        channel_destroy(&predecessor->channel);
}

void predecessor_abandon(struct predecessor **predecessor)
{
    give_up(*predecessor);
    if ((*predecessor)->pid_fd >= 0)
        close((*predecessor)->pid_fd);
    free(*predecessor);
    *predecessor = NULL;
}

void predecessor_destroy(struct predecessor **predecessor)
{
    if ((*predecessor)->loop != NULL)
        ev_io_stop((*predecessor)->loop->ev, &(*predecessor)->ends);
    predecessor_abandon(predecessor);
}

struct handover *predecessor_handover(struct predecessor *predecessor)
{
    return &predecessor->handover;
}

pid_t predecessor_pid(const struct predecessor *predecessor)
{
    return predecessor->pid;
}

double predecessor_drain_seconds(const struct predecessor *predecessor)
{
    return predecessor->handover.drain_seconds;
}

void predecessor_signal(const struct predecessor *predecessor, int signal_number)
{
    if (predecessor->pid_fd >= 0)
        pidfd_send_signal(predecessor->pid_fd, signal_number, NULL, 0);
}

/* When it is gone, its place is free anyway. */
static void tell(struct predecessor *predecessor, const char *word, struct slice rest)
{
    if (predecessor->channel != NULL)
        handover_word_send(predecessor->channel, word, rest, NULL, 0);
}

void predecessor_tell_failure(struct predecessor *predecessor, struct slice text)
{
    tell(predecessor, "failed", text);
}

void predecessor_tell_serving(struct predecessor *predecessor, const struct sockets *sockets,
                              struct slice note)
{
    const struct handover *handover = &predecessor->handover;
    struct buffer rest;

    buffer_init(&rest, CHANNEL_TEXT_BYTES_MAX / 2, NULL);
    for (size_t i = 0; i < handover->sockets.count; i++)
        buffer_append(&rest,
                      sockets_share(sockets, &handover->sockets, i) ? SLICE("1") : SLICE("0"));
    buffer_append(&rest, SLICE(" "));
    buffer_append(&rest, note);
    /* Doors under names that the configuration does not have any more. */
    control_doors_close(&predecessor->handover.doors);
    tell(predecessor, "serving", buffer_slice(&rest));
    buffer_clear(&rest);
    int lifeline_fd = handover->lifeline_fd;
    predecessor->handover.lifeline_fd = -1;
    give_up(predecessor);
    predecessor->handover.lifeline_fd = lifeline_fd;
}

static void on_end(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct predecessor *predecessor = watcher->data;

    ev_io_stop(ev, watcher);
    predecessor->loop = NULL;
    predecessor->gone(predecessor->data);
}

void predecessor_watch(struct predecessor *predecessor, struct loop *loop, void (*gone)(void *data),
                       void *data)
{
    if (predecessor->handover.lifeline_fd < 0) { /* it has not given any: nothing tells */
        gone(data);
        return;
    }
    predecessor->loop = loop;
    predecessor->gone = gone;
    predecessor->data = data;
    ev_io_init(&predecessor->ends, on_end, predecessor->handover.lifeline_fd, EV_READ);
    predecessor->ends.data = predecessor;
    ev_io_start(loop->ev, &predecessor->ends);
}
