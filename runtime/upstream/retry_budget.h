/*
 * retry_budget — how many retries a cluster bears, so that they do not multiply an outage.
 *
 * A share of the requests of the last RETRY_BUDGET_SECONDS (between one and two times half of
 * that), and besides a few per second, so that a cluster with little traffic can retry at all.
 *
 * All workers have one budget together. Each counts requests in two words of its own lane, one for
 * each half of the window, and those are added up when there is a retry. What was retried is in two
 * words that all share; one of them decides by a compare-and-swap, so that never more is allowed
 * than there is, but for one retry of each worker at the moment when a half ends; a worker whose
 * clock is behind takes from the second that another has begun. Nothing is left half done by a
 * worker that is killed; its requests count on until their half is over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "shm/series.h"

#define RETRY_BUDGET_SECONDS 10.0

/* Where it is counted. */
struct retry_budget_home {
    uint64_t *lane;             /* two words of this process's lane, of nothing else */
    uint64_t *taken;            /* two words, of all processes */
    const struct series *lanes; /* where `lane` is, and those of others; NULL: there are none */
    uint32_t row, word;         /* of `lane` in them */
};

struct retry_budget {
    struct retry_budget_home home;
    double ratio;            /* retries per request */
    unsigned per_second_min; /* always allowed */
    double half_ends;        /* from then on `requests` is the other word */
    uint64_t *requests;
};

/* What was counted in the window. */
struct retry_budget_state {
    uint64_t requests, retries;
};

/* Before all else. Zeroed words: nothing has been counted. */
void retry_budget_settle(struct retry_budget *budget, const struct retry_budget_home *home);
/* Keeps what was counted: called again when the configuration changes. */
void retry_budget_configure(struct retry_budget *budget, double ratio, unsigned per_second_min);
/* The next half of the window has begun. `now` is loop_uptime(), here and below. */
void retry_budget_turn(struct retry_budget *budget, double now);
/* A request begins (not a retry). */
static inline void retry_budget_count(struct retry_budget *budget, double now)
{
    if (now >= budget->half_ends)
        retry_budget_turn(budget, now);
    series_add(budget->requests, 1);
}
/* Whether one more retry is allowed; if so it is counted. */
bool retry_budget_take(const struct retry_budget *budget, double now);
struct retry_budget_state retry_budget_read(const struct retry_budget *budget, double now);
