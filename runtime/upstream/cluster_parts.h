/*
 * cluster_parts — what a cluster consists of, for calls, which work on its parts.
 */
#pragma once

#include "base/list.h"
#include "upstream/balancer.h"
#include "upstream/cluster.h"
#include "upstream/retry_budget.h"
#include "upstream/target.h"

struct clusters {
    struct loop *loop;
    struct resolver *resolver;
    struct http_session_limits limits;
    const struct counter_table *counters; /* NULL: nobody shares any */
    struct list all;                      /* struct cluster, in order of creation */
    struct cluster **buckets;             /* by name */
    size_t count, bucket_count;
};

struct cluster {
    struct list node;
    struct cluster *next; /* in the bucket */
    struct clusters *clusters;
    unsigned references;
    struct slice name;
    struct target **targets;
    size_t target_count;
    enum cluster_balance balance;
    const struct http_protocol *protocol;
    struct tls_context *tls;
    char *server_name; /* NULL: the target's host */
    struct pool_limits pool_limits;
    struct target_tolerance tolerance;
    struct retry_budget retry_budget;
};

/* Whether configuring it with these would change nothing. */
bool cluster_is(const struct cluster *cluster, const struct cluster_options *options);
/* Gives back all that cluster_configure() took. */
void cluster_clear(struct cluster *cluster);
