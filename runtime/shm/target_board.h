/*
 * target_board — what all workers know of the targets of upstreams: a row of words, found by name.
 *
 * A row belongs to the names of an upstream and of a target in it, or of an upstream alone, as long
 * as somebody holds it or an operator's word lies over it, and then until another name needs it
 * (target_rows.h). Each word of it is a truth of its own that changes by compare-and-swap, so a
 * worker that is killed leaves none half written. What a worker has of it, and what it counts, are
 * words of each lane, which it alone writes: readers add up. What it has the master zeroes when it
 * is dead; what it has counted stays, and goes with the row.
 */
#pragma once

#include "shm/series.h"
#include "shm/target_rows.h"

/* Row 0, which is nobody's, included. */
#define TARGET_BOARD_ROWS_MAX 16384

/*
 * What a row has beside its count. Who owns the meaning of a word says how it is read. In two cache
 * lines: what is read for each choice is not where something is written for each request.
 */
struct target_words {
    uint64_t ejection; /* upstream/ejection.h */
    uint64_t probes;   /* upstream/probe_verdict.h */
    uint64_t overlay;  /* upstream/overlay.h */
    uint64_t joined;   /* milliseconds of the system's monotonic clock: since when it serves */
    uint64_t changes;  /* of an upstream: how often one of the above changed in its targets */
    uint64_t probed, probed_ill; /* how often, and how often it was found ill */
    uint64_t unused_first;
    uint64_t latency; /* upstream/latency.h */
    uint64_t window;  /* upstream/outliers.h */
    uint64_t cursor;  /* of an upstream: how many turns were taken */
    /* Of an upstream: upstream/retry_budget.h, and how many retries that has refused. */
    uint64_t retries[2], hedges[2];
    uint64_t retries_refused;
};
_Static_assert(sizeof(struct target_words) == 128, "two cache lines");

/* The words of each lane: attempts under way; whether its worker has such a target or upstream;
 * connections, as it has told last: 31 to 0 idle ones, 63 to 32 busy ones; how many hold the row,
 * also those that only end what they have. Holders last of what is zeroed with a dead worker.
 * Then what is counted: of a target attempts, and those that failed; of an upstream requests that
 * may be tried again, or hedged, two words each (upstream/retry_budget.h). In one cache line. */
enum target_board_word {
    TARGET_BOARD_ACTIVE,
    TARGET_BOARD_USERS,
    TARGET_BOARD_CONNECTIONS,
    TARGET_BOARD_HOLDERS,
    TARGET_BOARD_ATTEMPTS,
    TARGET_BOARD_ERRORS,
    TARGET_BOARD_RETRIABLE = TARGET_BOARD_ATTEMPTS,
    TARGET_BOARD_HEDGEABLE = TARGET_BOARD_RETRIABLE + 2,
    TARGET_BOARD_WORDS = 8
};

/* This process's view. */
struct target_board {
    struct series active; /* the words of lanes; without its names */
    struct target_rows rows;
    struct target_words *words;
    uint64_t *prober; /* who probes for all: upstream/prober.h */
    const struct hash_key *hash_key;
    uint32_t lane; /* the attached one */
};

size_t target_board_bytes(uint32_t lanes);
/* False when the segment refuses it. */
bool target_board_init(struct target_board *board, struct segment *segment, uint32_t lanes);
/* From now on this process counts in `lane`. */
void target_board_attach(struct target_board *board, uint32_t lane);

/*
 * The row of a target, or with SLICE_NONE of the upstream, for the words to be used until it is
 * released; 0 when there is no room. A row that was another's before begins with zeroes. Costs
 * microseconds: keep the answer.
 */
static inline uint32_t target_board_hold(const struct target_board *board, struct slice upstream,
                                         struct slice target)
{
    return target_rows_hold(&board->rows, upstream, target);
}
/* The same without giving one: 0 when there is none. To be released. */
static inline uint32_t target_board_find(const struct target_board *board, struct slice upstream,
                                         struct slice target)
{
    return target_rows_find(&board->rows, upstream, target);
}
/* None of its words is written any more by who held it. 0 is nobody's. */
static inline void target_board_release(const struct target_board *board, uint32_t row)
{
    target_rows_release(&board->rows, row);
}

static inline struct target_words *target_board_words(const struct target_board *board,
                                                      uint32_t row)
{
    return &board->words[row];
}

/*
 * Whether this process's lane is the one that probes for all, for `seconds` from now on, unless it
 * says so again before. `now`: seconds of the clock that all processes share.
 */
bool target_board_claim_prober(const struct target_board *board, double now, double seconds);
/* The lane that does; false when none does. */
bool target_board_prober(const struct target_board *board, double now, uint32_t *lane);

/* In the master: a dead worker has no attempts under way, and probes no more. */
void target_board_forget_lane(const struct target_board *board, uint32_t lane);
