/*
 * hash — a keyed 64-bit hash for keys that a stranger may choose.
 *
 * SipHash-1-3: whoever does not know the key can neither aim at one place of a
 * table nor make two inputs collide. Values depend on the key alone, so that
 * processes that share a key agree.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

struct hash_key {
    uint64_t low, high;
};

/* Fresh from the kernel's generator; ends the process if there is none. */
void hash_key_init(struct hash_key *key);

uint64_t hash_slice(const struct hash_key *key, struct slice slice);
/* Of both together, such that ("a", "bc") and ("ab", "c") differ. */
uint64_t hash_pair(const struct hash_key *key, struct slice one, struct slice other);
