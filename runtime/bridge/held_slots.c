/*
 * held_slots — what is taken is deferred to be given.
 */
#include "bridge/held_slots.h"

#include "bridge/numbers.h"
#include "shm/shared.h"

struct held_slot {
    struct slots *slots;
    uint32_t held;
};

static void give_slot(void *data)
{
    struct held_slot *slot = data;
    slots_give(slot->slots, slot->held);
}

enum slots_outcome held_slots_take(struct exchange *exchange, uint64_t key, uint32_t limit,
                                   uint32_t *used)
{
    struct held_slot *slot = arena_alloc(&exchange->arena, sizeof(*slot));

    slot->slots = &shared_of(exchange->generation)->slots;
    enum slots_outcome outcome = slots_take(slot->slots, key, limit, &slot->held, used);
    if (outcome == SLOTS_TAKEN)
        arena_defer(&exchange->arena, give_slot, slot);
    return outcome;
}
