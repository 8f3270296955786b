/*
 * limiter — the generic cell rate algorithm over cells of shared memory.
 *
 * A word is the "theoretical arrival time": each unit moves it one interval
 * into the future, and it may be at most `capacity` ahead of now.
 */
#include "shm/limiter.h"

#include <assert.h>

#define LIMITER_LAYOUT 2

size_t limiter_fit(size_t bytes)
{
    return cell_table_fit(bytes);
}

bool limiter_init(struct limiter *limiter, struct segment *segment, const char *name, size_t places)
{
    void *memory = segment_allot(segment, name, LIMITER_LAYOUT, cell_table_bytes(places));
    if (memory == NULL)
        return false;
    cell_table_init(&limiter->cells, memory, places);
    limiter->hash_key = segment_hash_key(segment);
    return true;
}

bool limiter_rate(uint64_t limit, uint64_t window_ns, uint64_t burst, struct limiter_take *take)
{
    if (limit == 0 || window_ns == 0 || burst == 0 || window_ns >= LIMITER_NS_MAX)
        return false;
    take->interval_ns = window_ns / limit + (window_ns % limit != 0);
    return !__builtin_mul_overflow(take->interval_ns, burst, &take->capacity_ns) &&
           take->capacity_ns < LIMITER_NS_MAX;
}

uint64_t limiter_key(const struct limiter *limiter, struct slice name, struct slice scope)
{
    return cell_tag(hash_pair(limiter->hash_key, name, scope));
}

uint64_t limiter_key_after(const struct hash_prefix *name, struct slice scope)
{
    return cell_tag(hash_after(name, scope));
}

/* A time is void when it has passed; of a count, the seconds above its 30 bits are that time. */
bool limiter_may_reuse(uint64_t word, const void *now_ns)
{
    uint64_t void_from_ns =
        (word & LIMITER_COUNTS) != 0 ? ((word & ~LIMITER_COUNTS) >> 30) * 1000000000ULL : word;
    return void_from_ns + LIMITER_GRACE_NS <= *(const uint64_t *)now_ns;
}

/* `used_ns` is what remains in use after the verdict, `price_ns` what was asked for. */
static void describe(const struct limiter_take *take, uint64_t used_ns,
                     struct limiter_verdict *verdict)
{
    uint64_t left_ns = used_ns < take->capacity_ns ? take->capacity_ns - used_ns : 0;
    verdict->remaining = left_ns / take->interval_ns;
    verdict->retry_after_ns = 0;
    verdict->reset_ns = used_ns;
}

/* UINT64_MAX where the price alone is beyond the capacity, which no wait changes. */
static uint64_t price_of(const struct limiter_take *take)
{
    uint64_t price_ns;
    if (__builtin_mul_overflow(take->interval_ns, take->cost, &price_ns) ||
        price_ns > take->capacity_ns)
        return UINT64_MAX;
    return price_ns;
}

static uint64_t used_of(const struct cell_seen *seen, uint64_t now_ns)
{
    return !cell_is_candidate(seen) && seen->word > now_ns ? seen->word - now_ns : 0;
}

static enum limiter_outcome deny(const struct limiter_take *take, uint64_t used_ns,
                                 uint64_t price_ns, struct limiter_verdict *verdict)
{
    describe(take, used_ns, verdict);
    verdict->retry_after_ns =
        price_ns == UINT64_MAX ? UINT64_MAX : used_ns + price_ns - take->capacity_ns;
    return LIMITER_DENIED;
}

/* More is in use than there is: of an allowance that was larger, before a reload. Or this process's
 * clock is behind another's, but never by so much. */
static bool is_of_larger(uint64_t used_ns, const struct limiter_take *take)
{
    return used_ns > take->capacity_ns + LIMITER_GRACE_NS;
}

/* The key is shown as it is, without taking a place for it. */
static enum limiter_outcome peek(const struct limiter *limiter, const struct limiter_take *take,
                                 uint64_t price_ns, struct limiter_verdict *verdict)
{
    struct cell_seen seen;
    bool is_found = cell_table_find(&limiter->cells, take->key, &seen);
    uint64_t used_ns = is_found ? used_of(&seen, take->now_ns) : 0;
    if (is_of_larger(used_ns, take))
        used_ns = take->capacity_ns;
    if (price_ns == UINT64_MAX)
        return deny(take, used_ns, price_ns, verdict);
    describe(take, used_ns, verdict);
    return LIMITER_ALLOWED;
}

static bool is_sane(const struct limiter_take *take)
{
    return take->interval_ns > 0 && take->interval_ns <= take->capacity_ns &&
           take->capacity_ns < LIMITER_NS_MAX && take->now_ns < LIMITER_NS_MAX;
}

enum limiter_outcome limiter_take(const struct limiter *limiter, const struct limiter_take *take,
                                  struct limiter_verdict *verdict)
{
    assert(is_sane(take));
    uint64_t price_ns = price_of(take);
    if (price_ns == 0 || price_ns == UINT64_MAX)
        return peek(limiter, take, price_ns, verdict);

    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        struct cell_seen seen;
        if (!cell_table_claim(&limiter->cells, take->key, limiter_may_reuse, &take->now_ns, &seen))
            break;
        uint64_t used_ns = used_of(&seen, take->now_ns);
        if (is_of_larger(used_ns, take)) {
            if (!cell_swap(&seen, take->now_ns + take->capacity_ns))
                continue;
            used_ns = take->capacity_ns;
        }
        if (used_ns + price_ns > take->capacity_ns)
            return deny(take, used_ns, price_ns, verdict);
        if (cell_swap(&seen, take->now_ns + used_ns + price_ns)) {
            describe(take, used_ns + price_ns, verdict);
            return LIMITER_ALLOWED;
        }
    }
    *verdict = (struct limiter_verdict){.retry_after_ns = take->interval_ns};
    return LIMITER_FULL;
}

void limiter_give(const struct limiter *limiter, const struct limiter_take *take)
{
    struct cell_seen seen;
    uint64_t price_ns = price_of(take);

    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        if (!cell_table_find(&limiter->cells, take->key, &seen))
            return;
        uint64_t used_ns = used_of(&seen, take->now_ns);
        if (used_ns == 0)
            return;
        uint64_t left_ns = used_ns > price_ns ? used_ns - price_ns : 0;
        if (cell_swap(&seen, take->now_ns + left_ns))
            return;
    }
}

uint64_t limiter_full(const struct limiter *limiter)
{
    return cell_table_refused(&limiter->cells);
}

uint64_t limiter_reused(const struct limiter *limiter)
{
    return cell_table_reused(&limiter->cells);
}
