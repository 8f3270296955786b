/*
 * cluster — an upstream: targets that can answer the same requests, and how to choose among them.
 *
 * Owned by the worker, not by a generation: looked up by name, so that pools and health of
 * targets that are still named survive a reload. Clusters are reference-counted; the newest options
 * win. Running calls hold references too, so releasing one never pulls it from under
 * them.
 */
#pragma once

#include "base/hash.h"
#include "http/http_session.h"
#include "net/resolver.h"
#include "net/tls_context.h"
#include "upstream/admission.h"
#include "upstream/call_breaker.h"
#include "upstream/hedging.h"
#include "upstream/lineup_rules.h"
#include "upstream/outliers.h"
#include "upstream/probe_options.h"

#define CLUSTER_TARGETS_MAX 1024
#define CLUSTER_WEIGHT_MAX  1000

struct answer_times_table;
struct breakers;
struct cluster;
struct counter_table;
struct gates;
struct target_board;
struct clusters; /* all of one worker */

enum cluster_balance {
    CLUSTER_ROUND_ROBIN,
    CLUSTER_LEAST_CONNECTIONS,
    CLUSTER_LATENCY,
    CLUSTER_HASH,
    CLUSTER_RANDOM
};
#define CLUSTER_PRIORITY_MAX 15

struct cluster_target_options {
    struct slice host; /* name, address, or path of a unix socket (begins with '/') */
    uint16_t port;
    unsigned weight; /* 1 to 1000 */
    bool is_tls;
    bool is_backup;    /* only when no other can be used */
    bool is_remote;    /* in another zone: after those of this one */
    unsigned priority; /* 0 first, up to CLUSTER_PRIORITY_MAX */
};

struct cluster_options {
    struct slice name;
    const struct cluster_target_options *targets;
    size_t target_count;
    /* They come and go at run time, see cluster_set_targets(): where `targets` is NULL, those that
     * the cluster has stay. `tls` is there. */
    bool is_discovered;
    enum cluster_balance balance;
    const struct http_protocol *protocol; /* NULL: HTTP/1.1 */
    /* For targets with is_tls; acquired. Another context than before: kept connections are not used
     * again. */
    struct tls_context *tls;
    struct slice server_name;      /* SNI and name to verify; empty: the target's host */
    unsigned idle_connections_max; /* kept per target, see pool.h; 64 is sensible */
    double idle_seconds;           /* 0: 60 */
    unsigned connections_max;      /* per target and worker, busy and idle; 0: no limit */
    unsigned failures_max;    /* consecutive connection failures that set a target aside; 0: 3 */
    double set_aside_seconds; /* 0: 5; then it is tried again with one request */
    double set_aside_seconds_max; /* that it grows to; 0: 300 */
    struct outlier_rules outliers;
    struct lineup_rules lineup; /* is_probed follows from `probes` */
    struct probe_options probes;
    double hash_bound; /* load that a target may have, as a multiple of the average; 0: none */
    struct hash_key sticky_key; /* of what cookies call targets; all 0: the gateway's own */
    /* What is known of it stays with this worker: of hosts that plugins name there may be any
     * number, and the board has room for those of the configuration. For as long as it lasts. */
    bool is_unshared;
    double retry_budget;           /* retries as a share of requests; 0.2 is sensible */
    unsigned retry_budget_min;     /* retries per second that are always allowed; 3 is sensible */
    bool is_retry_budget_reported; /* none is refused; those that would be are counted */
    const struct call_breaker_options *breaker; /* copied; NULL: none */
    struct hedge_rules hedge;
    const struct admission_options *admission; /* copied; NULL: all go at once */
};

/* `limits` is copied. */
struct clusters *clusters_create(struct loop *loop, struct resolver *resolver,
                                 const struct http_session_limits *limits);
/* Before there is any cluster: attempts and errors are counted there, in this process's lane, and
 * what workers know of targets they know together. */
void clusters_share(struct clusters *clusters, const struct counter_table *counters,
                    const struct target_board *board);
/* Likewise: where circuit breakers keep their states; without, none is ever open. */
void clusters_break_in(struct clusters *clusters, const struct breakers *breakers);
/* Likewise: where it stands how many requests go at once. They outlive the clusters. */
void clusters_admit_in(struct clusters *clusters, const struct gates *gates);
/* Likewise: where they learn how long answers take; without, each worker by itself. */
void clusters_learn_in(struct clusters *clusters, const struct answer_times_table *times);
/* Other limits for all connections, those that are open too. */
void clusters_limit(struct clusters *clusters, const struct http_session_limits *limits);
/* After all clusters and calls have been released, and a turn of the loop. */
void clusters_destroy(struct clusters **clusters);

/*
 * Creates or updates the cluster of that name: targets that stay (same host, port and is_tls) keep
 * pools and health. All strings are copied. At most CLUSTER_TARGETS_MAX targets, each with a weight
 * and a host.
 */
struct cluster *clusters_acquire(struct clusters *clusters, const struct cluster_options *options);
/*
 * The first half of it: a cluster that is there already stays as it is, and `*is_outdated` says
 * whether cluster_configure() has to follow when the options come into force.
 */
struct cluster *clusters_prepare(struct clusters *clusters, const struct cluster_options *options,
                                 bool *is_outdated);
void cluster_configure(struct cluster *cluster, const struct cluster_options *options);
/*
 * Other targets, and nothing else of it changes: those that stay keep pools and health, those that
 * go finish what they have begun, and new ones start slowly where that is wanted. For one whose
 * options are discovered. False when they are as they were.
 */
bool cluster_set_targets(struct cluster *cluster, const struct cluster_target_options *targets,
                         size_t count);
/* One more reference. */
struct cluster *cluster_acquire(struct cluster *cluster);
void cluster_release(struct cluster **cluster);
/* By name, borrowed; NULL when there is none. */
struct cluster *clusters_find(struct clusters *clusters, struct slice name);

struct slice cluster_name(const struct cluster *cluster);

/* Of a name (FNV-1a): names come from the operator, not from the network. */
static inline uint32_t cluster_hash(struct slice name)
{
    uint32_t hash = 2166136261U;
    for (size_t i = 0; i < name.length; i++)
        hash = (hash ^ (unsigned char)name.start[i]) * 16777619U;
    return hash;
}

/* What /status and metrics show of one target. */
struct cluster_target_status {
    struct slice address, url; /* "host:port", "http://host:port" */
    unsigned weight, priority; /* as configured */
    unsigned weight_now;       /* an operator may have said another one */
    double share;              /* of the requests that it is to get, by turns; 0 to 1 */
    uint64_t connections_busy, connections_idle; /* as each worker has told last */
    unsigned failures;
    uint64_t active;   /* attempts under way, of all workers */
    bool is_set_aside; /* on trial included */
    bool is_backup, is_remote, is_probed;
    int probes;                /* enum probe_state */
    int mode;                  /* enum overlay_mode */
    double latency;            /* seconds; 0: not known, or of no interest */
    uint64_t attempts, errors; /* totals of all workers, as long as one has such a target */
    uint64_t probed, probed_ill;
};
/* The target of that place in configured order; false when there are no more. */
bool cluster_inspect(struct cluster *cluster, size_t index, struct cluster_target_status *status);
/* Tells the others how many connections this worker has to its targets. */
void cluster_tell_connections(struct cluster *cluster);
/* The budget of retries of all workers: requests and retries of its window, and refused ones. */
struct cluster_retries {
    uint64_t requests, retries, refused;
};
struct cluster_retries cluster_retries(const struct cluster *cluster);
/* Whether so few can be used that all are. */
bool cluster_is_panicking(struct cluster *cluster);
/* Whether it has rules for hedging, or a request of this worker was under those of a route. */
bool cluster_is_hedged(const struct cluster *cluster);
void clusters_inspect(struct clusters *clusters, void (*each)(void *data, struct cluster *cluster),
                      void *data);
