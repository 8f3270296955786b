/*
 * hedging — when a request is sent to a second target while the first one has not answered, and
 * what a cluster knows for that.
 *
 * The rules are an upstream's or a route's; the budget is the cluster's, of all workers together,
 * as that of retries is, and so are the times of answers.
 */
#pragma once

#include "shm/answer_times.h"
#include "upstream/retry_budget.h"

struct cluster;
struct counter_table;

/* Beyond the first attempt. */
#define HEDGE_ATTEMPTS_MAX 3

/* Zeroed: none are hedged. */
struct hedge_rules {
    unsigned attempts;     /* at most so many beside the first one; 0: none */
    double after_seconds;  /* without an answer's head, each; 0: by the quantile */
    double after_quantile; /* of what answers took lately; 0: by the seconds */
    double share;          /* of the requests, besides one a second */
    bool is_report_only;   /* none is sent; those that would be are counted */
};

/* A cluster's, from the first request on that may be hedged. */
struct hedging {
    struct retry_budget budget;
    struct answer_times *times; /* of all workers, or its own */
    struct answer_times own_times;
    /* What they said last, and until when it is not looked up again. */
    double quantile, quantile_seconds, known_until;
    /* Totals of /metrics, see metric_labels.h. */
    uint64_t *sent, *won, *refused, *reported;
    uint64_t own[4];
};

/* What became of an upstream's, of all workers, since there is the gateway. */
struct hedge_totals {
    uint64_t sent, won, refused, reported;
};

bool hedge_rules_are(const struct hedge_rules *one, const struct hedge_rules *other);
/* Made at the first call; the cluster's. */
struct hedging *hedging_of(struct cluster *cluster);
/* How long to wait before the next attempt; 0: not known yet. `now` is loop_uptime(), here and
 * below. */
double hedging_patience(struct hedging *hedging, const struct hedge_rules *rules, double now);
/* Whether one more may be sent. If not it is counted, and so is one that is only reported. */
bool hedging_take(struct hedging *hedging, const struct hedge_rules *rules, double now);
struct hedge_totals hedging_totals(const struct counter_table *counters, struct slice upstream);
