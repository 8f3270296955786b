/*
 * nursery — a process with the generation that runs, built and asleep, from which workers are
 * forked.
 *
 * A worker that takes a dead one's place so need not build what the others run: it begins where the
 * nursery stands. What nobody changes of it they share in memory. The nursery serves nothing, holds
 * no thread and no timer, and is what workers are, but for a number: their user, their sockets,
 * their view of shared memory.
 *
 * Workers are forked twice, so that they come to the master, who adopts what its children leave
 * (PR_SET_CHILD_SUBREAPER) and waits for them as for those that it has forked itself.
 *
 * After a change of generations the next nursery is built once there has been no other for a while;
 * until then, and wherever something is wrong with a nursery, workers build for themselves.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/backoff.h"

/* Without another generation, before one is built in the background. */
#define NURSERY_QUIET_SECONDS 1.5

struct channel;
struct loop;
struct worker_options;

struct nursery_options {
    struct loop *loop;
    const struct worker_options *worker; /* looked at each time: of all, but index and channel */
    /* Whether another generation may come soon: then none is built of the one that runs. */
    bool (*is_unsettled)(void *data);
    /* It could fork, or has ended by itself. */
    void (*settled)(void *data);
    /* In the child, first of all: closes what a worker has no use for. */
    void (*in_child)(void *data);
    void *data;
};

struct nursery {
    struct nursery_options options;
    pid_t pid;               /* 0: there is none */
    struct channel *channel; /* NULL: as above, or it has closed it */
    uint64_t generation;     /* that it has, or will have */
    bool is_ready;
    double since; /* monotonic seconds, while it is ready */
    struct backoff backoff;
    ev_io hears;
    ev_timer next; /* active until another one is begun */
};

/* Begins nothing; the calling process adopts what its children leave from now on. */
void nursery_init(struct nursery *nursery, const struct nursery_options *options);
/* At once: somebody waits for it. False when the system has no process to give. */
bool nursery_begin(struct nursery *nursery);
/* The generation may be another one than before. */
void nursery_follow(struct nursery *nursery);
/* Has that worker forked, with `end` of its channel, of which a copy is sent. It says CHANNEL_BORN,
 * or the channel is closed. False: there is no nursery of this generation. */
bool nursery_fork(struct nursery *nursery, unsigned worker, const struct channel *end);
/* It did not fork whom it was to fork: it is ended, and another one begun. */
void nursery_distrust(struct nursery *nursery);
/* After SIGCHLD. */
void nursery_reap(struct nursery *nursery);
/* For good. */
void nursery_end(struct nursery *nursery);
/* In another child of the master's: gives back what only the master has a use for. */
void nursery_abandon(struct nursery *nursery);
