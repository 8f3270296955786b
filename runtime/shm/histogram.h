/*
 * histogram — how long things took, in fixed buckets, over all workers.
 *
 * One set of bounds for all, from 10 µs to 5 minutes, three to a decade, so
 * that an observation is two additions to the worker's own words and sums over
 * workers, routes and restarts stay meaningful. A histogram takes 192 bytes in
 * each lane, from its first use on. Names beyond the cap share slot 0.
 *
 * Repair: see series.h; a worker killed within an observation may have counted
 * it without adding its time.
 */
#pragma once

#include "shm/series.h"

#define HISTOGRAM_BOUNDS 22
/* The last bucket has no bound. */
#define HISTOGRAM_BUCKETS  (HISTOGRAM_BOUNDS + 1)
#define HISTOGRAM_OVERFLOW NAME_NONE

struct histogram_limits {
    uint32_t lanes;
    uint32_t slots;    /* slot 0 included */
    size_t text_bytes; /* of all names and labels */
};

/* This process's view. */
struct histogram_table {
    struct series series;
};

struct histogram_view {
    struct slice name, labels;
    uint32_t slot;
};

struct histogram_sum {
    uint64_t buckets[HISTOGRAM_BUCKETS]; /* each on its own, not cumulated */
    uint64_t count;                      /* of all buckets */
    uint64_t total_ns;
};

size_t histogram_table_bytes(const struct histogram_limits *limits);
bool histogram_table_init(struct histogram_table *table, struct segment *segment, const char *name,
                          const struct histogram_limits *limits);
/* Before anything is observed: the lane that this process writes. */
void histogram_table_attach(struct histogram_table *table, uint32_t lane);

/* The slot of a histogram; labels and caching as for counter_slot(). */
uint32_t histogram_slot(const struct histogram_table *table, struct slice name,
                        struct slice labels);

void histogram_observe(const struct histogram_table *table, uint32_t slot, uint64_t duration_ns);

/* What bucket `bucket` counts at most, itself included; UINT64_MAX for the last one. */
uint64_t histogram_bound_ns(uint32_t bucket);
/* The sum over all lanes. */
void histogram_read(const struct histogram_table *table, uint32_t slot, struct histogram_sum *sum);
/* Visits all histograms that have a name, in no order; `*cursor` begins at 0. */
bool histogram_next(const struct histogram_table *table, size_t *cursor,
                    struct histogram_view *view);

/* Histograms with a name, and how often one was refused for want of room. */
uint32_t histogram_count(const struct histogram_table *table);
uint64_t histogram_dropped(const struct histogram_table *table);
