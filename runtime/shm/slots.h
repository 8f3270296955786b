/*
 * slots — how many of a thing go on at once, exactly over all workers, given back by whoever dies.
 *
 * A key's count is one word in a table of cells, and says beside the number who changed it last: a
 * lane, and which of its operations it was. A lane has one writer, its worker, which notes what it
 * is about to do, does it by one compare-and-swap, and lists what it holds. Whoever changes a word
 * next first tells the lane in it that its operation was done. So it is always known whether the
 * last operation of a worker that was killed had been done, and all that it held is in its list.
 *
 * Repair: the master gives back what a dead worker held, as that worker would have. Killed in the
 * middle, it can begin again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "shm/cell_table.h"
#include "shm/segment.h"

/* Of one key. */
#define SLOTS_COUNT_MAX ((1U << 20) - 1)
/* Held by one lane at a time. */
#define SLOTS_HELD_MAX  65536
#define SLOTS_LANES_MAX 1023

enum slots_outcome {
    SLOTS_TAKEN,
    SLOTS_DENIED,
    SLOTS_FULL /* also no: this lane holds too many, or the table has no place for the key */
};

struct slots_lane;

/* This process's view. */
struct slots {
    struct cell_table cells;
    struct slots_lane *lanes;
    const struct hash_key *hash_key;
    uint32_t lane_count;
    uint32_t lane;      /* the attached one */
    uint32_t *returned; /* entries of the list that are free again; NULL before one was */
    uint32_t returned_count, fresh;
};

size_t slots_bytes(uint32_t lanes);
/* The region `name`; false when the segment refuses it. */
bool slots_init(struct slots *slots, struct segment *segment, const char *name, uint32_t lanes);
/* From now on this process takes and gives for `lane`, which holds nothing. */
void slots_attach(struct slots *slots, uint32_t lane);
/* Gives the process's own memory back. */
void slots_clear(struct slots *slots);

uint64_t slots_key(const struct slots *slots, struct slice name, struct slice scope);
/* One more of a key of which there are fewer than `limit`; `*held` is for slots_give(), `*used` how
 * many there are. */
enum slots_outcome slots_take(struct slots *slots, uint64_t key, uint32_t limit, uint32_t *held,
                              uint32_t *used);
void slots_give(struct slots *slots, uint32_t held);
/* How many there are now. */
uint32_t slots_used(const struct slots *slots, uint64_t key);

/* In the master: gives back all that a lane holds whose worker is dead. */
void slots_forget_lane(const struct slots *slots, uint32_t lane);
/* Refusals for want of room in the table. */
uint64_t slots_refused(const struct slots *slots);
