/*
 * limiter_window — counts with an end, in the limiter's cells.
 *
 * Bits of a word: 62 says that it counts (limiter.h), 61 to 30 the second from which it is void,
 * the rest what was used.
 */
#include "shm/limiter_window.h"

#include <assert.h>

#define COUNT_BITS 30
#define SECOND_NS  1000000000ULL
#define GRACE_S    (LIMITER_GRACE_NS / SECOND_NS)
/* Apart from each other and from the key itself, in both halves. */
#define KEY_FACTOR 0x9e3779b97f4a7c15ULL

struct count {
    uint64_t used, until_s;
};

static uint64_t word_of(struct count count)
{
    assert(count.used <= LIMITER_WINDOW_COUNT_MAX && count.until_s < LIMITER_WINDOW_SECONDS_MAX);
    return LIMITER_COUNTS | count.until_s << COUNT_BITS | count.used;
}

static uint64_t length_s(const struct limiter_window *window)
{
    return window->end_s - window->start_s;
}

bool limiter_window_is_sane(const struct limiter_window *window)
{
    return window->end_s > window->start_s &&
           window->end_s + length_s(window) < LIMITER_WINDOW_SECONDS_MAX && window->limit > 0 &&
           window->limit <= LIMITER_WINDOW_COUNT_MAX;
}

/* `is_before`: of the window before, which only sliding limits have. */
static uint64_t tag_of(const struct limiter_window *window, bool is_before)
{
    uint64_t number = 1 + 2 * (uint64_t)window->kind;
    if (window->kind == LIMITER_WINDOW_SLIDING)
        number += (window->start_s / length_s(window) + (is_before ? 1 : 0)) & 1;
    return cell_tag(window->key ^ number * KEY_FACTOR);
}

/* From when on a word of this window is void. */
static uint64_t until_of(const struct limiter_window *window)
{
    return window->kind == LIMITER_WINDOW_SLIDING ? window->end_s + length_s(window)
                                                  : window->end_s;
}

/* Nothing used, of a window that is over or was never there. */
static struct count count_of(const struct cell_seen *seen, uint64_t now_ns)
{
    struct count count = {.used = seen->word & LIMITER_WINDOW_COUNT_MAX,
                          .until_s = seen->word >> COUNT_BITS & (LIMITER_WINDOW_SECONDS_MAX - 1)};
    if (cell_is_candidate(seen) || count.until_s * SECOND_NS <= now_ns)
        return (struct count){0};
    return count;
}

static struct count find(const struct limiter *limiter, uint64_t tag, uint64_t now_ns)
{
    struct cell_seen seen;
    bool is_found = cell_table_find(&limiter->cells, tag, &seen);
    return is_found ? count_of(&seen, now_ns) : (struct count){0};
}

/*
 * Of a longer window than there is now: before a reload. Another process's clock may be ahead by
 * less than the grace, and be in the next window, or in the one after that.
 */
static bool is_of_longer(const struct count *count, const struct limiter_window *window)
{
    uint64_t latest_s = until_of(window) + GRACE_S;
    if (window->now_ns + LIMITER_GRACE_NS >= window->end_s * SECOND_NS)
        latest_s += 2 * length_s(window);
    return count->until_s > latest_s;
}

static uint64_t smaller(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

/* What of a longer window is kept: nobody waits for more than there is now. */
static struct count shorten(const struct count *count, const struct limiter_window *window)
{
    return (struct count){smaller(count->used, window->limit), until_of(window)};
}

static uint64_t scale(uint64_t number, uint64_t by, uint64_t over)
{
    return (uint64_t)((unsigned __int128)number * by / over);
}

static uint64_t scale_up(uint64_t number, uint64_t by, uint64_t over)
{
    return (uint64_t)(((unsigned __int128)number * by + over - 1) / over);
}

/* How a window stands just now. */
struct standing {
    uint64_t used, before;       /* in this window, and in the one before */
    uint64_t rest_ns, length_ns; /* until this window ends, and how long it is */
};

static struct standing standing_of(const struct limiter *limiter,
                                   const struct limiter_window *window, const struct count *count)
{
    uint64_t end_s = window->end_s;
    if (window->kind == LIMITER_WINDOW_FROM_FIRST && count->until_s > 0)
        end_s = count->until_s;
    uint64_t end_ns = end_s * SECOND_NS;
    struct standing standing = {
        .used = count->used,
        .rest_ns = end_ns > window->now_ns ? end_ns - window->now_ns : 0,
        .length_ns = length_s(window) * SECOND_NS,
    };
    if (window->kind == LIMITER_WINDOW_SLIDING)
        standing.before = find(limiter, tag_of(window, true), window->now_ns).used;
    /* Another process's clock may be ahead. */
    standing.rest_ns = smaller(standing.rest_ns, standing.length_ns);
    return standing;
}

/* With the part of the window before that still counts: a division of 128 bits, where there is
 * one. */
static uint64_t used_in_all(const struct standing *standing)
{
    if (standing->before == 0)
        return standing->used;
    return standing->used + scale_up(standing->before, standing->rest_ns, standing->length_ns);
}

static void describe(const struct limiter_window *window, const struct standing *standing,
                     struct limiter_verdict *verdict)
{
    uint64_t used = used_in_all(standing);
    bool is_sliding = window->kind == LIMITER_WINDOW_SLIDING;

    *verdict = (struct limiter_verdict){
        .remaining = used < window->limit ? window->limit - used : 0,
        .reset_ns = used > 0 ? standing->rest_ns : 0,
    };
    if (is_sliding && standing->used > 0)
        verdict->reset_ns += standing->length_ns;
}

/* Until `cost` fits, if nobody else takes anything. */
static uint64_t wait_of(const struct limiter_window *window, const struct standing *standing)
{
    if (window->cost > window->limit)
        return UINT64_MAX;
    if (window->kind != LIMITER_WINDOW_SLIDING)
        return standing->rest_ns;
    uint64_t room = window->limit - window->cost, overlap_ns = 0;
    if (standing->used <= room) {
        if (standing->before > 0)
            overlap_ns = scale(room - standing->used, standing->length_ns, standing->before);
        return standing->rest_ns - smaller(overlap_ns, standing->rest_ns);
    }
    overlap_ns = scale(room, standing->length_ns, standing->used);
    return standing->rest_ns + standing->length_ns - smaller(overlap_ns, standing->length_ns);
}

static enum limiter_outcome deny(const struct limiter_window *window,
                                 const struct standing *standing, struct limiter_verdict *verdict)
{
    describe(window, standing, verdict);
    verdict->retry_after_ns = wait_of(window, standing);
    return LIMITER_DENIED;
}

/* The key is shown as it is, without taking a place for it. */
static enum limiter_outcome peek(const struct limiter *limiter, const struct limiter_window *window,
                                 struct limiter_verdict *verdict)
{
    struct count count = find(limiter, tag_of(window, false), window->now_ns);
    if (window->must_exist && count.until_s == 0)
        return LIMITER_UNKNOWN;
    if (is_of_longer(&count, window))
        count = shorten(&count, window);
    struct standing standing = standing_of(limiter, window, &count);
    describe(window, &standing, verdict);
    return LIMITER_ALLOWED;
}

static bool fits(const struct limiter_window *window, const struct standing *standing)
{
    return window->may_exceed ||
           (window->cost <= window->limit && used_in_all(standing) + window->cost <= window->limit);
}

/* Never ends sooner than before: whoever made it may be ahead. */
static struct count charged(const struct limiter_window *window, const struct count *count)
{
    uint64_t used = count->used + smaller(window->cost, LIMITER_WINDOW_COUNT_MAX);
    uint64_t until_s = until_of(window);
    if (count->until_s > until_s ||
        (count->until_s > 0 && window->kind == LIMITER_WINDOW_FROM_FIRST))
        until_s = count->until_s;
    return (struct count){smaller(used, LIMITER_WINDOW_COUNT_MAX), until_s};
}

/* False, and nothing decided: another process was faster. */
static bool try_take(const struct limiter *limiter, const struct limiter_window *window,
                     struct cell_seen *seen, struct limiter_verdict *verdict,
                     enum limiter_outcome *outcome)
{
    struct count count = count_of(seen, window->now_ns);
    if (window->must_exist && count.until_s == 0) {
        *outcome = LIMITER_UNKNOWN;
        return true;
    }
    if (is_of_longer(&count, window)) {
        count = shorten(&count, window);
        if (!cell_swap(seen, word_of(count)))
            return false;
    }
    struct standing standing = standing_of(limiter, window, &count);
    if (!fits(window, &standing)) {
        *outcome = deny(window, &standing, verdict);
        return true;
    }
    struct count wanted = charged(window, &count);
    if (!cell_swap(seen, word_of(wanted)))
        return false;
    standing.used = wanted.used;
    describe(window, &standing, verdict);
    *outcome = LIMITER_ALLOWED;
    return true;
}

enum limiter_outcome limiter_window_take(const struct limiter *limiter,
                                         const struct limiter_window *window,
                                         struct limiter_verdict *verdict)
{
    assert(limiter_window_is_sane(window));
    if (window->cost == 0)
        return peek(limiter, window, verdict);

    enum limiter_outcome outcome;
    uint64_t tag = tag_of(window, false);
    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        struct cell_seen seen;
        if (!cell_table_claim(&limiter->cells, tag, limiter_may_reuse, &window->now_ns, &seen))
            break;
        if (try_take(limiter, window, &seen, verdict, &outcome))
            return outcome;
    }
    *verdict = (struct limiter_verdict){.retry_after_ns = SECOND_NS};
    return LIMITER_FULL;
}

void limiter_window_give(const struct limiter *limiter, const struct limiter_window *window)
{
    struct cell_seen seen;

    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        if (!cell_table_find(&limiter->cells, tag_of(window, false), &seen))
            return;
        struct count count = count_of(&seen, window->now_ns);
        if (count.used == 0)
            return;
        count.used -= smaller(window->cost, count.used);
        if (cell_swap(&seen, word_of(count)))
            return;
    }
}

bool limiter_window_begin(const struct limiter *limiter, const struct limiter_window *window,
                          uint64_t used)
{
    struct count wanted = {smaller(used, LIMITER_WINDOW_COUNT_MAX), until_of(window)};
    assert(limiter_window_is_sane(window));

    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        struct cell_seen seen;
        if (!cell_table_claim(&limiter->cells, tag_of(window, false), limiter_may_reuse,
                              &window->now_ns, &seen))
            return false;
        if (count_of(&seen, window->now_ns).until_s > 0 || cell_swap(&seen, word_of(wanted)))
            return true;
    }
    return false;
}

bool limiter_window_used(const struct limiter *limiter, const struct limiter_window *window,
                         uint64_t *used, uint64_t *end_s)
{
    struct count count = find(limiter, tag_of(window, false), window->now_ns);

    if (count.used == 0)
        return false;
    *used = count.used;
    *end_s = count.until_s;
    if (window->kind == LIMITER_WINDOW_SLIDING)
        *end_s -= length_s(window);
    return true;
}
