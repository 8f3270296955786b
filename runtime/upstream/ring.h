/*
 * ring — consistent hashing: points of all targets on a circle; a key belongs to the next one.
 *
 * A target's points follow from its URL and its weight alone, so every worker and every gateway has
 * the same ones, and when a target goes, what belonged to others stays with them: exactly, where
 * Maglev's table only comes near to it. It is also what bounded load wants: who is full passes a
 * key on to the next point. The ring has all targets, well or not: who cannot be used is passed
 * over, so nothing is built when that changes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct target;

/* Of a target of weight 1, unless all together would have more than RING_POINTS_MAX. */
#define RING_POINTS     160
#define RING_POINTS_MAX 32768

struct ring {
    uint64_t *points; /* in order; upper half: the place, lower half: the target's index */
    size_t count;
};

/* Made anew for these targets. */
void ring_make(struct ring *ring, struct target *const *targets, size_t count);
void ring_clear(struct ring *ring);
/* The place of a key on the circle, the same for every gateway; never 0. */
uint64_t ring_key(struct slice text);
/* The first point at or after a key's place; the circle closes. `count` is above 0. */
size_t ring_find(const struct ring *ring, uint64_t key);
static inline size_t ring_target(const struct ring *ring, size_t point)
{
    return (size_t)(ring->points[point] & UINT32_MAX);
}
