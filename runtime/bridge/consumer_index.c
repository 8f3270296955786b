/*
 * consumer_index — slots that are moved into twice as many when three quarters are taken.
 */
#include "bridge/consumer_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define SLOTS_FIRST 64

static void put(struct consumer_index *index, struct consumer_slot slot)
{
    size_t mask = index->slot_count - 1, at = slot.hash & mask;

    while (index->slots[at].place != 0)
        at = (at + 1) & mask;
    index->slots[at] = slot;
}

static void grow(struct consumer_index *index)
{
    struct consumer_index old = *index;

    index->slot_count = old.slot_count == 0 ? SLOTS_FIRST : old.slot_count * 2;
    index->slots = mem_zeroed_array(index->slot_count, sizeof(*index->slots));
    for (size_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].place != 0)
            put(index, old.slots[i]);
    }
    free(old.slots);
}

void consumer_index_add(struct consumer_index *index, uint32_t hash, uint32_t place)
{
    assert(place != 0);
    if ((index->used + 1) * 4 > index->slot_count * 3)
        grow(index);
    put(index, (struct consumer_slot){hash, place});
    index->used++;
}

void consumer_index_pack(struct consumer_index *index)
{
    size_t bytes = index->slot_count * sizeof(*index->slots);

    if (bytes == 0)
        return;
    struct consumer_slot *slots = mem_table(bytes);
    memcpy(slots, index->slots, bytes);
    free(index->slots);
    index->slots = slots;
}

void consumer_index_clear(struct consumer_index *index)
{
    free(index->slots);
    *index = (struct consumer_index){0};
}
