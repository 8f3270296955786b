/*
 * limiter — rate limits that hold exactly over all workers (GCRA).
 *
 * A key's whole state is one 64-bit word, the time at which it will have its
 * full allowance back; taking from it is one compare-and-swap, so that of any
 * number of processes never more get through than the limit says. A key is the
 * limit's name with its scope (the consumer, the address); the numbers come
 * with each call, so a reload that changes them keeps what was used.
 *
 * The table is fixed. A key takes a place while it has used some of its
 * allowance, and gives it back by waiting; without a place the answer is no
 * (LIMITER_FULL), because a limit that opens under load is none.
 *
 * Repair: none is needed, see cell_table.h. Windows that count instead are in the same cells, see
 * limiter_window.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "shm/cell_table.h"
#include "shm/segment.h"

/* Workers read the clock once a turn: a place is reused only when all agree that it may be. */
#define LIMITER_GRACE_NS 2000000000ULL
/* Times and allowances stay below, 73 years. */
#define LIMITER_NS_MAX (1ULL << 61)
/* The bit of a word that is a count with an end, not a time. */
#define LIMITER_COUNTS (1ULL << 62)

/* This process's view. */
struct limiter {
    struct cell_table cells;
    const struct hash_key *hash_key;
};

enum limiter_outcome {
    LIMITER_ALLOWED,
    LIMITER_DENIED,
    LIMITER_FULL,   /* also no; the table had no place, and that is counted */
    LIMITER_UNKNOWN /* neither; see limiter_window.h */
};

struct limiter_take {
    uint64_t key; /* limiter_key() */
    uint64_t now_ns;
    uint64_t interval_ns; /* what one unit costs: the window divided by the limit */
    uint64_t capacity_ns; /* the most that may be used at once: interval times burst */
    uint64_t cost;        /* units; 0 only looks */
};

struct limiter_verdict {
    uint64_t remaining;      /* units that would be allowed at once */
    uint64_t retry_after_ns; /* after which the same take may succeed; 0 when allowed, UINT64_MAX
                                never */
    uint64_t reset_ns;       /* until all of the allowance is back */
};

/* The most places that fit into `bytes`. */
size_t limiter_fit(size_t bytes);
/* The region `name` with `places`; false when the segment refuses it (see segment_allot). */
bool limiter_init(struct limiter *limiter, struct segment *segment, const char *name,
                  size_t places);

/*
 * Interval and capacity for `limit` units in `window_ns`, `burst` of them at once.
 * The interval is rounded up: never a unit more than asked for. False when a
 * number is 0 or the product leaves LIMITER_NS_MAX.
 */
bool limiter_rate(uint64_t limit, uint64_t window_ns, uint64_t burst, struct limiter_take *take);

uint64_t limiter_key(const struct limiter *limiter, struct slice name, struct slice scope);
/* The same key for who has hash_prefix_of(limiter->hash_key, name). */
uint64_t limiter_key_after(const struct hash_prefix *name, struct slice scope);

enum limiter_outcome limiter_take(const struct limiter *limiter, const struct limiter_take *take,
                                  struct limiter_verdict *verdict);
/* Gives back what a take has just charged. */
void limiter_give(const struct limiter *limiter, const struct limiter_take *take);

/* For cell_table_claim(), with the time in nanoseconds: whether a word says nothing any more. */
bool limiter_may_reuse(uint64_t word, const void *now_ns);

/* Denials for want of a place, and places that changed hands. */
uint64_t limiter_full(const struct limiter *limiter);
uint64_t limiter_reused(const struct limiter *limiter);
