/*
 * services — what a worker lends to its generations once they serve.
 *
 * A generation that is being built has none: whatever has an effect on the running
 * gateway is reached through here, so nothing can have one before the commit.
 */
#pragma once

struct clusters;
struct gateway;
struct loop;
struct resolver;
struct shared;

/* All owned by the worker and outliving every generation. */
struct services {
    struct loop *loop;
    struct gateway *gateway;
    struct clusters *clusters;
    struct resolver *resolver;
    unsigned worker; /* index of this worker, from 0: its lane in shared memory */
    unsigned worker_count;
    struct shared
        *shared; /* server/ maps it before forking: counters, limiter, dict, histograms; see shm/ */
};
