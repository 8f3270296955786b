/*
 * channel — one end of the line between the master and a worker, or between two masters: whole
 * messages, with descriptors.
 *
 * A SOCK_SEQPACKET socketpair: messages arrive whole and in order or not at all, and nobody waits.
 * Descriptors travel beside a message; the receiver's are copies of the sender's.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"

/* What does not fit of a longer text is cut off, at its end. */
#define CHANNEL_TEXT_BYTES_MAX 49152
/* Of one message: a bundle, and a socket for each listener of a plan. */
#define CHANNEL_FDS_MAX 65

enum channel_kind {
    /* Between two masters, of which one takes the other's place: the text says what. It keeps its
     * number, since the two may be of different versions. */
    CHANNEL_HANDOVER = 0,
    /* Master to worker. BUILD, START and SWAP are the steps of a reload, each answered. */
    CHANNEL_BUILD,   /* fds: the bundle, then the worker's socket for each listener that is new */
    CHANNEL_START,   /* acquire clusters, run start() of plugins */
    CHANNEL_SWAP,    /* it is current from now on */
    CHANNEL_ABANDON, /* forget it, however far it was; not answered */
    CHANNEL_LISTEN,  /* to one that waits to: it is to accept connections now */
    /* Another gateway accepts from now on: finish what was begun, then end. `text`: '1' or '0' for
     * each listener of that generation, whether the other one has its sockets. */
    CHANNEL_LEAVE,
    /* Accept for a worker that does not. fds: its sockets; `text`: its number, then the listener of
     * each, a byte each. Until CHANNEL_RELIEVE with its number, or a swap. */
    CHANNEL_DEPUTIZE,
    CHANNEL_RELIEVE,
    CHANNEL_ADOPT, /* to a worker that was born in the nursery: it is known, and goes on */
    /* Master to nursery: fork that worker. fds: its end of its channel; `generation`: its number,
     * from 0; `ok`: it need not wait for CHANNEL_LISTEN. */
    CHANNEL_FORK,
    CHANNEL_ANSWER, /* to CHANNEL_ASK: ok, or not, and a text; `generation` is the question's */
    /* Worker to master. */
    CHANNEL_BORN,    /* in the nursery; `generation` is its process id; waits for CHANNEL_ADOPT */
    CHANNEL_READY,   /* it serves, or the nursery could fork; once, at its start */
    CHANNEL_BUILT,   /* ok, or not: text has the errors, a line each */
    CHANNEL_STARTED, /* the same */
    CHANNEL_SWAPPED,
    CHANNEL_RETIRED, /* that generation is gone from the worker: its last request has ended */
    CHANNEL_ASK,     /* text: "reload"; `generation` is a ticket, by which the answer is known */
    CHANNEL_KIND_COUNT
};

struct channel_message {
    enum channel_kind kind;
    bool ok;
    uint64_t generation; /* its number, from 1 */
    struct slice text;   /* sent: borrowed. Received: valid until the channel receives again */
    size_t fd_count;
    /* Sent: borrowed. Received: the caller's, -1: taken; all or, when the process has no room for
     * them, none. */
    int fds[CHANNEL_FDS_MAX];
};

enum channel_outcome {
    CHANNEL_NOTHING, /* no message waits */
    CHANNEL_MESSAGE,
    CHANNEL_CLOSED, /* the other end is gone, or sends what is no message */
};

struct channel;

/* Two connected ends, non-blocking and closed by exec(). False, with errno, when there are no
 * descriptors left. */
bool channel_create_pair(struct channel *ends[2]);
/* The end that came with a descriptor, which is taken over; NULL when it is none. */
struct channel *channel_adopt(int fd);
/* The process that has made both ends. */
pid_t channel_maker(const struct channel *channel);
void channel_destroy(struct channel **channel);
/* To watch for what can be received; the channel's. */
int channel_fd(const struct channel *channel);

/* A sentence as a line, cut where it does not fit; nothing for nothing. */
struct slice channel_line(struct slice sentence, char text[CHANNEL_TEXT_BYTES_MAX]);
/* False, with errno, when it was not sent: the other end is gone, or has not read for long
 * (EAGAIN). */
bool channel_send(const struct channel *channel, const struct channel_message *message);
/* `message` is filled in for CHANNEL_MESSAGE alone; channel_message_clear() ends it. */
enum channel_outcome channel_receive(struct channel *channel, struct channel_message *message);

/* The i-th descriptor, which is the caller's from now on; -1 when there is none. */
int channel_message_take(struct channel_message *message, size_t i);
/* Closes the descriptors that nobody has taken. */
void channel_message_clear(struct channel_message *message);
