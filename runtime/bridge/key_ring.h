/*
 * key_ring — the keys that a generation's plugins verify signatures with, by number.
 *
 * A number is that of one key for ever: a place that is used again gets another number, so that a
 * key which was let go of is found by nobody. What is left when the generation ends goes with it.
 */
#pragma once

#include <stdint.h>

#include "crypto/jws_key.h"

#define KEY_RING_KEYS_MAX 65536
#define KEY_RING_NONE     (-1.0)

struct key_ring_place;

/* All zero: empty. */
struct key_ring {
    struct key_ring_place *places;
    uint32_t count, room;
    uint32_t vacant; /* places before `count` without a key */
};

/* Takes `*key` over. KEY_RING_NONE, and the key destroyed, when there are KEY_RING_KEYS_MAX. */
double key_ring_add(struct key_ring *ring, struct jws_key **key);
/* NULL when there is none of that number. */
const struct jws_key *key_ring_find(const struct key_ring *ring, double number);
/* Nothing when there is none of that number. */
void key_ring_remove(struct key_ring *ring, double number);
void key_ring_clear(struct key_ring *ring);
