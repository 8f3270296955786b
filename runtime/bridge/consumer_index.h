/*
 * consumer_index — where consumers or credentials lie, by a hash of what they are found by.
 *
 * Open addressing; a slot has the hash and the place, eight bytes, so that the eight in a line of
 * the cache are looked at together.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct consumer_slot {
    uint32_t hash, place; /* place 0: free */
};

/* All zero: empty. */
struct consumer_index {
    struct consumer_slot *slots;
    size_t slot_count, used; /* slot_count: a power of two, or 0 */
};

/* `place` is not 0. Those with the same hash stand side by side. */
void consumer_index_add(struct consumer_index *index, uint32_t hash, uint32_t place);
/* Moves the slots to where they are read best, when all have been added. */
void consumer_index_pack(struct consumer_index *index);
void consumer_index_clear(struct consumer_index *index);

/* Walks over the places with that hash: `*at` is the hash for the first one, and goes on. 0: there
 * is none left. */
static inline uint32_t consumer_index_next(const struct consumer_index *index, uint32_t hash,
                                           size_t *at)
{
    size_t mask = index->slot_count - 1;

    if (index->slot_count == 0)
        return 0;
    for (;; (*at)++) {
        const struct consumer_slot *slot = &index->slots[*at & mask];
        if (slot->place == 0)
            return 0;
        if (slot->hash == hash) {
            (*at)++;
            return slot->place;
        }
    }
}
