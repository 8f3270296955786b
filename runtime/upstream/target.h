/*
 * target — one server of a cluster: where it is, how it does, and its connections.
 *
 * Reference-counted: its cluster holds a reference, and each call that is on it; so a
 * reload can take it out of the cluster under running calls.
 */
#pragma once

#include "base/fault.h"
#include "upstream/cluster.h"
#include "upstream/pool.h"
#include "upstream/target_totals.h"

struct target {
    char *host; /* name, address or path of a unix socket */
    uint16_t port;
    unsigned weight;
    bool is_tls;
    struct slice text; /* "host:port", "[::1]:80", "unix:/path"; terminated */
    unsigned references;
    struct pool *pool;

    unsigned active; /* attempts that are on it */
    int64_t turn;    /* the balancer's */
    unsigned dials;  /* so that the addresses of a name take turns */

    unsigned failures; /* in a row */
    bool is_set_aside;
    double set_aside_until; /* as `now` below: loop_monotonic(); then one request may try */
    bool is_probed;         /* that request is under way */

    struct target_totals totals;
};

/* The strings are copied. `counters` and `upstream`: see target_totals.h. */
struct target *target_create(struct loop *loop, const struct cluster_target_options *options,
                             const struct pool_limits *limits, const struct counter_table *counters,
                             struct slice upstream);
struct target *target_acquire(struct target *target);
void target_release(struct target **target);
/* No longer in a cluster: idle connections close now, busy ones after their last stream. */
void target_retire(struct target *target);
/* Same place, spoken to in the same way. */
bool target_is(const struct target *target, const struct cluster_target_options *options);

/* Whether requests may go there: not set aside, or set aside long enough and nobody is trying. */
bool target_is_usable(const struct target *target, double now);
/* An attempt begins. True: it is the one that tries whether the target is well again. */
bool target_begin(struct target *target, double now);
/* An attempt ends, however it went. */
void target_end(struct target *target, bool is_probe);
/* It answered. True: it was set aside until now. */
bool target_succeed(struct target *target);

struct target_tolerance {
    unsigned failures_max;
    double set_aside_seconds;
};

/*
 * The attempt failed. What says that nobody is there counts; an answer that is wrong or late does
 * not, but for a probe. True: it is set aside from now on, and was not before.
 */
bool target_fail(struct target *target, enum fault fault, bool is_probe,
                 const struct target_tolerance *tolerance, double now);
