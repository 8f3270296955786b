/*
 * gateway_totals — what a gateway has counted since it was started, by whichever workers.
 *
 * Each total is a word in the worker's own lane of the shared counters (shm/series.h), under the
 * name that /metrics shows: adding to it costs what a variable costs, and it outlives the worker.
 */
#pragma once

#include <stdint.h>

#define GATEWAY_TOTALS 9

struct counter_table;

struct gateway_totals {
    uint64_t *connections_accepted, *connections_refused, *requests, *malformed;
    /* Requests whose deadline ended, by where they were; those that could not be read; those that
     * would have ended. */
    uint64_t *deadlines_before, *deadlines_waiting, *deadlines_answering, *deadlines_malformed,
        *deadlines_reported;
    uint64_t own[GATEWAY_TOTALS]; /* where nobody has given us any others */
};

/* NULL counters: in `own`. The totals may not move afterwards. */
void gateway_totals_init(struct gateway_totals *totals, const struct counter_table *counters);
