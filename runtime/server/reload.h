/*
 * reload — how all workers come to run the next generation, or none of them does.
 *
 * Each builds it; when all could, each starts it; when all could, it is decided: each swaps. What
 * goes wrong before that, in whatever worker, makes all of them abandon it, and they go on as they
 * are. A worker that dies has no say any more, and is replaced by one that runs the new generation;
 * when all of them die before the decision, that may be the new generation's doing, and it is
 * abandoned. Where nobody serves, as workers end again and again, nobody has to agree: it is
 * decided at once, and whoever is started next runs it.
 *
 * Only keeps count: messages are sent, and the world is changed, by whoever calls. One reload at a
 * time.
 */
#pragma once

#include "server/channel.h"
#include "server/sockets.h"

/* Of a step in all workers, in seconds. */
#define RELOAD_BUILD_SECONDS_MAX 120.0
#define RELOAD_START_SECONDS_MAX 40.0
#define RELOAD_SWAP_SECONDS_MAX  10.0
/* Not at most, but always: for clients in the middle of connecting to sockets that go. */
#define RELOAD_WAIT_SECONDS SOCKETS_HANDSHAKE_SECONDS

#define RELOAD_WORKERS_MAX 256

enum reload_step {
    RELOAD_NONE,
    RELOAD_BUILDING,
    RELOAD_STARTING,
    RELOAD_WAITING, /* it is decided, and nobody swaps yet */
    RELOAD_SWAPPING
};

/* None of these may call back into the reload. */
struct reload_events {
    /* Whether that worker serves, and so takes part. */
    bool (*is_serving)(void *data, unsigned worker);
    /* Nobody serves: whether that is since they end again and again, and not just for a moment. */
    bool (*is_failing)(void *data);
    /* Sends it, for CHANNEL_BUILD with the descriptors added. False: it cannot be reached. */
    bool (*send)(void *data, unsigned worker, struct channel_message *message);
    /* All have started the generation: from now on it is the one that workers run, new ones too.
     * Messages to swap follow, at once or, when this is false, after RELOAD_WAIT_SECONDS. */
    bool (*decided)(void *data);
    /* That worker cannot run the new generation: it took no part in building it, or did not answer.
     * To be replaced, or started, if it is to be. After decided(). */
    void (*left_behind)(void *data, unsigned worker);
    /* The last thing a reload does. `errors`: empty when it was decided, and all who serve run the
     * new generation, else why none does, a line for each error; borrowed during the call. */
    void (*ended)(void *data, struct slice errors);
    void *data;
};

struct reload {
    struct reload_events events;
    unsigned worker_count;
    enum reload_step step;
    uint64_t generation; /* that is being built */
    /* It failed by all workers' death, or by one that took too long: what they were to run may be
     * why, and should not be tried on them again unasked. */
    bool is_suspect;
    bool takes_part[RELOAD_WORKERS_MAX], has_answered[RELOAD_WORKERS_MAX];
    bool was_told[RELOAD_WORKERS_MAX]; /* to build it, and lives */
};

void reload_init(struct reload *reload, unsigned worker_count, const struct reload_events *events);
/* Only while there is none. False: it has ended already. */
bool reload_begin(struct reload *reload, uint64_t generation);
/* From a worker: an answer to a step. Anything else is ignored. */
void reload_on_message(struct reload *reload, unsigned worker,
                       const struct channel_message *message);
/* Whatever that worker was doing. */
void reload_on_death(struct reload *reload, unsigned worker);
/* The step that it is in has taken reload_seconds_max(); what only waited goes on. */
void reload_on_late(struct reload *reload);
/* How long the step may take that it is in; begin() and each answer may have begun another one. */
double reload_seconds_max(const struct reload *reload);
