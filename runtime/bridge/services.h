/*
 * services — what a worker lends to its generations once they serve.
 *
 * A generation that is being built has none: whatever has an effect on the running
 * gateway is reached through here, so nothing can have one before the commit.
 */
#pragma once

#include <stdint.h>

#include "base/list.h"
#include "bridge/ledger.h"

struct appeals;
struct background;
struct clusters;
struct flights;
struct gateway;
struct loop;
struct resolver;
struct shared;
struct stores;

#define GENERATIONS_COUNTS_MAX 16

/* Those of one worker. */
struct generations {
    unsigned alive;         /* started and not freed yet, the current one among them */
    struct list all;        /* of these, whose last request has not ended */
    unsigned hashing_count; /* passwords that wait to be hashed */
    unsigned reading_count; /* files that are being read */
    unsigned hanging_count; /* of these, those that take longer to read than anybody waits */
    struct sampler sampler;
    /* Of each of the worker's counts, what a generation has published: moon_worker_growth(). */
    double published[GENERATIONS_COUNTS_MAX];
    void (*on_freed)(void *data, uint64_t number); /* may be NULL */
    void *data;
};

/* All owned by the worker and outliving every generation. */
struct services {
    struct loop *loop;
    struct gateway *gateway;
    struct clusters *clusters;
    struct resolver *resolver;
    struct background *background;
    struct background *hasher; /* of passwords, which is meant to take long */
    struct background *reader; /* of files that may be anywhere, and hang there */
    struct generations *generations;
    struct stores *stores;
    struct appeals *appeals; /* to the master */
    struct flights *flights;
    unsigned worker; /* index of this worker, from 0: its lane in shared memory */
    unsigned worker_count;
    const char *config_path, *lua_root, *plugin_root; /* as of generation_options */
    struct shared
        *shared; /* server/ maps it before forking: counters, limiter, dict, histograms; see shm/ */
};
