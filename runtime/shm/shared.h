/*
 * shared — all that the processes of one gateway share, in one segment: made by the master before
 * it forks.
 */
#pragma once

#include "shm/counter.h"
#include "shm/dict.h"
#include "shm/histogram.h"
#include "shm/limiter.h"
#include "shm/segment.h"

struct shared_options {
    unsigned workers;
    size_t counters_bytes; /* counters and histograms, all lanes */
    size_t limits_bytes;
    size_t dict_bytes;
};

/* One process's view; never moves while attached. */
struct shared {
    struct segment segment;
    struct counter_table counters;
    struct histogram_table histograms;
    struct limiter limiter;
    struct dict dict;
    uint32_t
        loop_turns; /* histogram "moongate_loop_turn_seconds": how long turns of the loop take */
};

/* NULL with errno set when the system refuses, or the sizes are too small to hold anything. */
struct shared *shared_create(const struct shared_options *options);
void shared_destroy(struct shared **shared);
/* In a worker, before anything is counted: it writes in its own lane (workers from 0). */
void shared_attach(struct shared *shared, unsigned worker);
/* In the master, when a worker has died: its gauges are zeroed, its sums stay. */
void shared_forget_worker(struct shared *shared, unsigned worker);
/* One turn of the loop took that long. */
void shared_observe_turn(struct shared *shared, double seconds);
