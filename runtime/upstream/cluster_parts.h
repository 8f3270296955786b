/*
 * cluster_parts — what a cluster consists of, for calls, which work on its parts.
 */
#pragma once

#include "base/list.h"
#include "shm/target_board.h"
#include "upstream/balancer.h"
#include "upstream/cluster.h"
#include "upstream/lineup.h"
#include "upstream/retry_budget.h"
#include "upstream/ring.h"
#include "upstream/target.h"

struct clusters {
    struct loop *loop;
    struct resolver *resolver;
    struct http_session_limits limits;
    const struct counter_table *counters;   /* NULL: nobody shares any */
    const struct target_board *board;       /* likewise */
    const struct breakers *breakers;        /* NULL: there are none */
    const struct gates *gates;              /* likewise */
    const struct answer_times_table *times; /* likewise */
    struct list admissions;                 /* struct admission in which some wait */
    ev_io bell;                             /* others tell that a place is free */
    uint64_t random;                        /* the state of the generator; never 0 */
    struct list all;                        /* struct cluster, in order of creation */
    struct cluster **buckets;               /* by name */
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
    struct ejection_rules ejection_rules;
    struct outlier_rules outlier_rules;
    struct lineup_rules lineup_rules;
    struct probe_options probe_options; /* its texts are its own */
    bool weighs_answers;                /* their time or their status is counted */
    double hash_bound;
    struct hash_key sticky_key;
    struct lineup lineup;
    struct ring ring; /* empty unless they are balanced by hash */
    struct retry_budget retry_budget;
    bool reports_retries;        /* those beyond the budget are counted, not refused */
    struct call_breaker breaker; /* of no name: there is none */
    struct hedge_rules hedge_rules;
    struct hedging *hedging;     /* NULL: nothing was ever to be hedged */
    struct admission *admission; /* NULL: all requests go at once */

    /* What all workers know of it, as struct target has it. */
    const struct target_board *board; /* NULL: they do not */
    uint32_t row;
    struct target_words *words;
    uint64_t *active; /* attempts are counted while they are balanced by hash */
    struct target_words own;
    uint64_t own_active[TARGET_BOARD_WORDS];
};

/* Whether configuring it with these would change nothing. */
bool cluster_is(const struct cluster *cluster, const struct cluster_options *options);
/* Gives back all that cluster_configure() took. */
void cluster_clear(struct cluster *cluster);

/* A budget of all workers, counted in those words of its row, or by itself. */
void cluster_settle_budget(const struct cluster *cluster, struct retry_budget *budget,
                           enum target_board_word word, uint64_t *taken);
/* How its targets are probed: a copy. */
void cluster_take_probes(struct cluster *cluster, const struct probe_options *options);
bool cluster_has_probes(const struct cluster *cluster, const struct probe_options *options);
void cluster_clear_probes(struct cluster *cluster);
/* A pseudo-random number. */
uint64_t clusters_random(struct clusters *clusters);
/* Makes the lineup anew. */
void cluster_make_lineup(struct cluster *cluster, uint64_t changes, double now);

/* Does so if something has changed since. */
static inline void cluster_line_up(struct cluster *cluster, double now)
{
    uint64_t changes = __atomic_load_n(&cluster->words->changes, __ATOMIC_ACQUIRE);

    if (!lineup_is_current(&cluster->lineup, changes, now))
        cluster_make_lineup(cluster, changes, now);
}

/* All workers are to do that: something that lineups rest on has changed. */
void cluster_note_change(const struct cluster *cluster);
/* Attempts under way, of all workers. */
uint64_t cluster_active(const struct cluster *cluster);
/* A target is used again: from now on, slowly where that is wanted. */
void cluster_welcome(const struct cluster *cluster, struct target *target, double now);
/* How an attempt went. */
struct cluster_answer {
    double seconds, now; /* since it began; see ejection.h */
    bool is_bad;         /* of 500 or more */
    bool is_trial;
};
enum cluster_news { CLUSTER_NO_NEWS, CLUSTER_TARGET_OUT, CLUSTER_TARGET_BACK };

/* Whether an answer that came in time and is not bad tells nothing new: mostly so. */
static inline bool cluster_expects_answer(const struct cluster *cluster,
                                          const struct target *target)
{
    uint64_t ejection = __atomic_load_n(&target->words->ejection, __ATOMIC_RELAXED);

    return !cluster->weighs_answers && ejection_is_quiet(ejection);
}
/* A head came. A target may be back, and out again for its share of bad answers: that is said. */
enum cluster_news cluster_note_answer(struct cluster *cluster, struct target *target,
                                      const struct cluster_answer *answer);
/* Another attempt has answered before it: it took at least so long. No fault of the target's. */
void cluster_note_overtaken(struct cluster *cluster, struct target *target,
                            const struct cluster_answer *answer);
enum cluster_news cluster_note_failure(struct cluster *cluster, struct target *target,
                                       enum fault fault, const struct cluster_answer *answer);
