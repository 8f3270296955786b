/*
 * worker_listeners — in a worker: which sockets each listener of the plan that runs accepts from.
 *
 * Mostly one each. After an upgrade that started fewer workers than there had been, a worker
 * accepts from several: no socket that somebody may wait in is left without.
 */
#pragma once

#include "bridge/plan.h"

struct gateway;
struct generation;
struct sockets;

struct worker_listeners {
    struct gateway *gateway;
    struct plan plan; /* that runs; of no listeners before the first one does */
    struct worker_sockets {
        int *fds; /* the gateway's */
        size_t count;
    } sockets[PLAN_LISTENERS_MAX];
};

void worker_listeners_init(struct worker_listeners *listeners, struct gateway *gateway);
void worker_listeners_clear(struct worker_listeners *listeners);
/* The first ones, which the master has opened for that worker. */
void worker_listeners_open(struct worker_listeners *listeners, const struct generation *generation,
                           const struct sockets *sockets, unsigned worker);
/* Those of the generation that runs from now on: the ones that go on keep their sockets, `fds` are
 * those of the new ones in their order. */
void worker_listeners_change(struct worker_listeners *listeners,
                             const struct generation *generation, const int *fds);
/* Another gateway has the sockets, but for those of listeners that it does not have: from these all
 * is accepted that waits. `is_kept` has '1' or '0' for each listener. */
void worker_listeners_leave(struct worker_listeners *listeners, struct slice is_kept);
