/*
 * object_lanes — what each process holds of an object store, counts of it, and is changing.
 *
 * A lane has one writer, its process. What it holds is a table of page and count, in buckets by the
 * page's number, so whoever wants to free an object looks at one bucket of each lane. A reader
 * notes its hold first and then looks whether the object is still there; who removes it changes
 * its state first and then looks for holds: one of the two sees the other.
 *
 * Repair: the lane of a dead process tells what it held, and of which objects it was changing more
 * than one word (`unsettled`); object_repair.c goes through them.
 */
#pragma once

#include "shm/object_store.h"

#define OBJECT_BUCKET_HOLDS     8
#define OBJECT_HOLD_COUNT_MAX   UINT32_MAX
#define OBJECT_HOLD_BUCKETS_MAX 4096

/* What a process is changing more than one word of. */
enum object_unsettled {
    OBJECT_UNSETTLED_OLD,    /* its key leads elsewhere now */
    OBJECT_UNSETTLED_NEW,    /* it became complete: whether its key leads to it is to be seen */
    OBJECT_UNSETTLED_TOLD,   /* who waits for it is to be told */
    OBJECT_UNSETTLED_HIDDEN, /* its key leads to it no more: it may be complete all the same */
    OBJECT_UNSETTLED_MAX
};

struct object_lane {
    uint64_t unsettled[OBJECT_UNSETTLED_MAX]; /* object_reference(); 0: none */
    uint64_t counts[OBJECT_COUNTS];
    uint64_t has_held; /* whether `holds` was ever written to: else it is not to be read, either */
    uint64_t unused[31 - OBJECT_UNSETTLED_MAX - OBJECT_COUNTS];
    uint64_t holds[]; /* page + 1 in the upper half, how often in the lower; 0: free */
};
_Static_assert(sizeof(struct object_lane) == 256, "buckets begin at cache lines");

static inline size_t object_lane_bytes(uint32_t hold_buckets)
{
    return sizeof(struct object_lane) +
           (size_t)hold_buckets * OBJECT_BUCKET_HOLDS * sizeof(uint64_t);
}

static inline struct object_lane *object_lane(const struct object_store *store, uint32_t lane)
{
    return (struct object_lane *)(void *)(store->lanes + lane * store->lane_bytes);
}

/* How many entries of `holds` may hold something. */
static inline uint32_t object_lane_entries(const struct object_store *store,
                                           const struct object_lane *lane)
{
    return lane->has_held != 0 ? store->hold_buckets * OBJECT_BUCKET_HOLDS : 0;
}

static inline void object_lane_count(const struct object_store *store, enum object_count what,
                                     uint64_t amount)
{
    uint64_t *count = &object_lane(store, store->lane)->counts[what];
    __atomic_store_n(count, *count + amount, __ATOMIC_RELAXED);
}

/* Whether a process is in the lane and was not forgotten; whether one ever was. */
bool object_lane_is_attached(const struct object_store *store, uint32_t lane);
bool object_lane_is_known(const struct object_store *store, uint32_t lane);
void object_lane_attach(const struct object_store *store, uint32_t lane);
void object_lane_detach(const struct object_store *store, uint32_t lane);

/* One hold more of that page, which may be somebody else's by now: look at its state next. False:
 * no place is left for it. */
bool object_lane_hold(const struct object_store *store, uint32_t page);
/* One hold less. Whether it was the last of this lane: look at the state next. */
bool object_lane_let_go(const struct object_store *store, uint32_t page);
/* Whether any lane holds it. */
bool object_lanes_hold(const struct object_store *store, uint32_t page);

/* Notes that more than one word of an object is going to change; until then its repair is ours. */
static inline void object_lane_unsettle(const struct object_store *store,
                                        enum object_unsettled slot, uint64_t reference)
{
    __atomic_store_n(&object_lane(store, store->lane)->unsettled[slot], reference,
                     __ATOMIC_SEQ_CST);
}
