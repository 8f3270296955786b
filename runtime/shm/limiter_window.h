/*
 * limiter_window — limits that count what is used in a window of time, exactly over all workers.
 *
 * A key's window is one 64-bit word in the cells of limiter.h: when it is no longer needed, in
 * whole seconds, and how much was used; taking is one compare-and-swap. Numbers come with each
 * call, so a reload that changes them keeps what was used. Each kind has keys of its own: with
 * another kind a limit begins anew.
 *
 * A sliding limit has two words, for even and odd windows: what was used in the window before
 * counts as far as that one still overlaps with the last so many seconds, as if it had been used
 * evenly.
 *
 * Repair: none is needed, see cell_table.h.
 */
#pragma once

#include "shm/limiter.h"

/* Limits and what is used stay at most so much. */
#define LIMITER_WINDOW_COUNT_MAX ((1ULL << 30) - 1)
/* Ends of windows stay below, the year 2106. */
#define LIMITER_WINDOW_SECONDS_MAX (1ULL << 32)

enum limiter_window_kind {
    LIMITER_WINDOW_FIXED,     /* from start_s to end_s */
    LIMITER_WINDOW_SLIDING,   /* the window before counts in part; windows are of one length */
    LIMITER_WINDOW_FROM_FIRST /* the first take begins it: what is stored ends it */
};

struct limiter_window {
    uint64_t key; /* limiter_key() */
    uint64_t now_ns;
    enum limiter_window_kind kind;
    uint64_t start_s, end_s; /* the window that has `now`, in seconds since the epoch */
    uint64_t limit, cost;    /* units; a cost of 0 only looks */
    bool may_exceed;         /* what is charged has been used already: never denied */
    bool must_exist;         /* LIMITER_UNKNOWN, and nothing charged, for a key without a window */
};

/* False for a window that is empty or beyond the maxima above, and a limit that is. */
bool limiter_window_is_sane(const struct limiter_window *window);

/*
 * Takes the cost, or not. `retry_after_ns` of the verdict is exact for fixed windows; for sliding
 * ones it supposes that nobody else takes anything meanwhile.
 */
enum limiter_outcome limiter_window_take(const struct limiter *limiter,
                                         const struct limiter_window *window,
                                         struct limiter_verdict *verdict);

/* Gives back what a take has just charged; nothing when its window is over. */
void limiter_window_give(const struct limiter *limiter, const struct limiter_window *window);

/* Makes the key's window with so much used, unless there is one. False: the table is full. */
bool limiter_window_begin(const struct limiter *limiter, const struct limiter_window *window,
                          uint64_t used);

/* What was charged in the key's window, and when that ends: another one than `window` where that is
 * over, or has its end from the first take. False: there is none, or nothing was used. */
bool limiter_window_used(const struct limiter *limiter, const struct limiter_window *window,
                         uint64_t *used, uint64_t *end_s);
