/*
 * target — one server of a cluster: where it is, how it does, and its connections.
 *
 * Reference-counted: its cluster holds a reference, and each call that is on it; so a
 * reload can take it out of the cluster under running calls.
 */
#pragma once

#include "base/fault.h"
#include "shm/target_board.h"
#include "upstream/cluster.h"
#include "upstream/ejection.h"
#include "upstream/pool.h"

struct target {
    char *host; /* name, address or path of a unix socket */
    uint16_t port;
    unsigned weight, priority;
    bool is_tls, is_backup;
    bool is_remote;    /* in another zone than the gateway */
    struct slice text; /* "host:port", "[::1]:80", "unix:/path"; terminated */
    struct slice url;  /* "http://host:port", "unix:/path": as operators name it; terminated */
    unsigned references;
    struct pool *pool;
    unsigned dials; /* so that the addresses of a name take turns */

    /* What all workers know of it: on the board, or in `own` where there is none, or no room. */
    const struct target_board *board;
    uint32_t row; /* 0: in `own` */
    struct target_words *words;
    uint64_t *active; /* this worker's words: enum target_board_word */
    uint64_t sticky;  /* by which cookies name it; never 0 */
    struct target_words own;
    uint64_t own_active[TARGET_BOARD_WORDS];

    bool is_probed;  /* a probe is under way */
    double probe_at; /* when the next one is due, of loop_uptime(); 0: nobody has said */
};

/* Where what is known of a target is kept and counted; NULL: by itself. */
struct target_home {
    const struct target_board *board;
    struct slice upstream;
};

/* The strings are copied. */
struct target *target_create(struct loop *loop, const struct cluster_target_options *options,
                             const struct pool_limits *limits, const struct target_home *home);
struct target *target_acquire(struct target *target);
void target_release(struct target **target);
/* No longer in a cluster: idle connections close now, busy ones after their last stream. */
void target_retire(struct target *target);
/* Same place, spoken to in the same way. */
bool target_is(const struct target *target, const struct cluster_target_options *options);
/* Takes over what may change in one that stays. */
void target_take_options(struct target *target, const struct cluster_target_options *options);
bool target_has_options(const struct target *target, const struct cluster_target_options *options);

/* What all workers have in that word together. */
uint64_t target_sum(const struct target *target, enum target_board_word word);
/* Attempts under way, of all workers. */
static inline uint64_t target_active(const struct target *target)
{
    return target_sum(target, TARGET_BOARD_ACTIVE);
}
/* Tells the others how many connections this worker has. */
void target_tell_connections(struct target *target);
/* An attempt begins. */
void target_begin(struct target *target);
/* An attempt ends, however it went. */
void target_end(struct target *target);

/*
 * The attempt failed. What says that nobody is there counts; an answer that is wrong or late does
 * not, but in a trial. True: it is set aside from now on, and was not before.
 */
bool target_fail(struct target *target, enum fault fault, bool is_trial,
                 const struct ejection_rules *rules, double now);
