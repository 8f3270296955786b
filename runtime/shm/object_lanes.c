/*
 * object_lanes — buckets of eight holds, one cache line each.
 */
#include "shm/object_lanes.h"

#include <assert.h>

#include "shm/object_record.h"

#define WORD_BITS 64

static bool is_set(const uint64_t *words, uint32_t lane)
{
    return (object_load(&words[lane / WORD_BITS]) >> lane % WORD_BITS & 1) != 0;
}

bool object_lane_is_attached(const struct object_store *store, uint32_t lane)
{
    return is_set(store->shared->attached, lane);
}

bool object_lane_is_known(const struct object_store *store, uint32_t lane)
{
    return is_set(store->shared->known, lane);
}

void object_lane_attach(const struct object_store *store, uint32_t lane)
{
    uint64_t bit = 1ULL << lane % WORD_BITS;

    __atomic_fetch_or(&store->shared->known[lane / WORD_BITS], bit, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&store->shared->attached[lane / WORD_BITS], bit, __ATOMIC_SEQ_CST);
}

void object_lane_detach(const struct object_store *store, uint32_t lane)
{
    __atomic_fetch_and(&store->shared->attached[lane / WORD_BITS], ~(1ULL << lane % WORD_BITS),
                       __ATOMIC_SEQ_CST);
}

static uint64_t *bucket_of(const struct object_store *store, uint32_t lane, uint32_t page)
{
    uint32_t bucket = page & (store->hold_buckets - 1);
    return object_lane(store, lane)->holds + (size_t)bucket * OBJECT_BUCKET_HOLDS;
}

/* The entry of that page, else a free one; NULL when there is neither. */
static uint64_t *entry_of(uint64_t *bucket, uint32_t page)
{
    uint64_t *free_entry = NULL;

    for (int i = 0; i < OBJECT_BUCKET_HOLDS; i++) {
        uint64_t entry = __atomic_load_n(&bucket[i], __ATOMIC_RELAXED);
        if (entry >> 32 == (uint64_t)page + 1)
            return &bucket[i];
        if (entry == 0 && free_entry == NULL)
            free_entry = &bucket[i];
    }
    return free_entry;
}

static void begin_to_hold(struct object_lane *lane, uint64_t *entry, uint32_t page)
{
    if (lane->has_held == 0)
        object_store_word(&lane->has_held, 1);
    object_store_word(entry, ((uint64_t)page + 1) << 32 | 1);
}

bool object_lane_hold(const struct object_store *store, uint32_t page)
{
    uint64_t *entry = entry_of(bucket_of(store, store->lane, page), page);

    if (entry == NULL || (uint32_t)*entry == OBJECT_HOLD_COUNT_MAX)
        return false;
    if (*entry != 0) /* whoever frees has seen it long ago */
        __atomic_store_n(entry, *entry + 1, __ATOMIC_RELEASE);
    else
        begin_to_hold(object_lane(store, store->lane), entry, page);
    return true;
}

bool object_lane_let_go(const struct object_store *store, uint32_t page)
{
    uint64_t *entry = entry_of(bucket_of(store, store->lane, page), page);

    assert(entry != NULL && *entry != 0);
    bool is_last = (uint32_t)*entry == 1;
    if (is_last)
        __atomic_store_n(entry, 0, __ATOMIC_SEQ_CST);
    else
        __atomic_store_n(entry, *entry - 1, __ATOMIC_RELEASE);
    return is_last;
}

static bool lane_holds(const struct object_store *store, uint32_t lane, uint32_t page)
{
    const uint64_t *bucket = bucket_of(store, lane, page);

    for (int i = 0; i < OBJECT_BUCKET_HOLDS; i++) {
        if (__atomic_load_n(&bucket[i], __ATOMIC_SEQ_CST) >> 32 == (uint64_t)page + 1)
            return true;
    }
    return false;
}

bool object_lanes_hold(const struct object_store *store, uint32_t page)
{
    for (uint32_t word = 0; word * WORD_BITS < store->lane_count; word++) {
        uint64_t lanes = __atomic_load_n(&store->shared->attached[word], __ATOMIC_SEQ_CST);
        for (; lanes != 0; lanes &= lanes - 1) {
            uint32_t lane = word * WORD_BITS + (uint32_t)__builtin_ctzll(lanes);
            if (lane_holds(store, lane, page))
                return true;
        }
    }
    return false;
}
