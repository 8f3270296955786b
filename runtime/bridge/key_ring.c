/*
 * key_ring — places, and how often each has been used.
 */
#include "bridge/key_ring.h"

#include "base/mem.h"

#define ROOM_FIRST 8

struct key_ring_place {
    struct jws_key *key; /* NULL: vacant */
    uint32_t uses;
};

static struct key_ring_place *place_of(const struct key_ring *ring, double number)
{
    if (!(number >= 0) || number >= (double)KEY_RING_KEYS_MAX * UINT32_MAX)
        return NULL;
    uint64_t whole = (uint64_t)number;
    uint32_t index = (uint32_t)(whole % KEY_RING_KEYS_MAX);
    if (index >= ring->count)
        return NULL;
    struct key_ring_place *place = &ring->places[index];
    return place->key != NULL && place->uses == whole / KEY_RING_KEYS_MAX ? place : NULL;
}

/* A place without a key; NULL when there is none to be had. */
static struct key_ring_place *vacant_place(struct key_ring *ring)
{
    if (ring->vacant > 0) {
        struct key_ring_place *place = ring->places;
        while (place->key != NULL)
            place++;
        ring->vacant--;
        return place;
    }
    if (ring->count == KEY_RING_KEYS_MAX)
        return NULL;
    if (ring->count == ring->room) {
        ring->room = ring->room > 0 ? 2 * ring->room : ROOM_FIRST;
        ring->places = mem_resize(ring->places, ring->room * sizeof(*ring->places));
    }
    ring->places[ring->count] = (struct key_ring_place){0};
    return &ring->places[ring->count++];
}

double key_ring_add(struct key_ring *ring, struct jws_key **key)
{
    struct key_ring_place *place = vacant_place(ring);
    if (place == NULL) {
        jws_key_destroy(key);
        return KEY_RING_NONE;
    }
    place->key = *key;
    *key = NULL;
    return (double)place->uses * KEY_RING_KEYS_MAX + (double)(place - ring->places);
}

const struct jws_key *key_ring_find(const struct key_ring *ring, double number)
{
    const struct key_ring_place *place = place_of(ring, number);
    return place != NULL ? place->key : NULL;
}

void key_ring_remove(struct key_ring *ring, double number)
{
    struct key_ring_place *place = place_of(ring, number);
    if (place == NULL)
        return;
    jws_key_destroy(&place->key);
    place->uses++;
    ring->vacant++;
}

void key_ring_clear(struct key_ring *ring)
{
    for (uint32_t i = 0; i < ring->count; i++)
        jws_key_destroy(&ring->places[i].key);
    free(ring->places);
    *ring = (struct key_ring){0};
}
