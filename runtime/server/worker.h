/*
 * worker — the process that serves: one loop, one generation, its share of the sockets.
 */
#pragma once

#include <sys/types.h>

#include "bridge/plan.h"
#include "server/installation.h"
#include "server/sockets.h"

struct channel;
struct generation;
struct shared;

struct worker_options {
    const char *config_path;
    int bundle_fd;       /* what was read of the configuration: bundle_open() */
    uint64_t generation; /* the number of what is built from it */
    const struct installation *installation;
    const struct plan *plan; /* of that generation */
    struct sockets *sockets;
    struct shared *shared;
    pid_t master;
    unsigned index;          /* from 0 */
    bool waits_to_listen;    /* it is ready before it listens, and is told when */
    struct channel *channel; /* to the master, who is told when it serves */
    /* worker_build()'s, of before the fork, as the user that workers are; the worker's from now on.
     * NULL: it builds one itself. */
    struct generation *built;
};

/* In the forked process: serves until SIGTERM, or the master's death, has drained it; the exit
 * code.
 */
int worker_run(const struct worker_options *options);
