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

/* Twice as many bits: enough to take what has the same ones for the same. */
struct hash_wide {
    uint64_t low, high;
};

struct hash_wide hash_pair_wide(const struct hash_key *key, struct slice one, struct slice other);

/* What is known of a pair by its first: for who hashes many that begin alike. */
struct hash_prefix {
    uint64_t v0, v1, v2, v3;
};

struct hash_prefix hash_prefix_of(const struct hash_key *key, struct slice one);
/* The same number as hash_pair()'s. */
uint64_t hash_after(const struct hash_prefix *prefix, struct slice other);
