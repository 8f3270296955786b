/*
 * retry_budget — how many retries a cluster bears, so that they do not multiply an outage.
 *
 * A share of the requests of the last RETRY_BUDGET_SECONDS (between one and two times half of
 * that), and besides a few per second, so that a cluster with little traffic can retry at all.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RETRY_BUDGET_SECONDS 10.0

struct retry_budget {
    double ratio;            /* retries per request */
    unsigned per_second_min; /* always allowed */
    double window_started, second_started;
    uint64_t requests[2], retries[2]; /* of this half of the window, and of the one before */
    unsigned retries_in_second;
};

/* Keeps what was counted: called again when the configuration changes. */
void retry_budget_configure(struct retry_budget *budget, double ratio, unsigned per_second_min);
/* A request begins (not a retry). `now` is loop_monotonic(), here and below. */
void retry_budget_count(struct retry_budget *budget, double now);
/* Whether one more retry is allowed; if so it is counted. */
bool retry_budget_take(struct retry_budget *budget, double now);
