/*
 * ring — points made by hashing each target's URL with a number, and sorted.
 */
#include "upstream/ring.h"

#include <stdlib.h>

#include "base/mem.h"
#include "upstream/target.h"

/* No secret: every gateway must come to the same points. Who chooses keys that all belong to one
 * target is stopped by the bound of its load. */
static const struct hash_key KEY = {0x6d6f6f6e67617465, 0x72696e67};

static int in_order(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return a < b ? -1 : a > b;
}

static size_t points_of(const struct target *target, double per_weight)
{
    double points = target->weight * per_weight;
    return points < 1 ? 1 : (size_t)points;
}

/* Halved until all fit: so it changes seldom, and then half of the points stay where they are. */
static double points_per_weight(struct target *const *targets, size_t count)
{
    double weights = 0, per_weight = RING_POINTS;

    for (size_t i = 0; i < count; i++)
        weights += targets[i]->weight;
    while (weights * per_weight > RING_POINTS_MAX)
        per_weight /= 2;
    return per_weight;
}

void ring_make(struct ring *ring, struct target *const *targets, size_t count)
{
    double per_weight = points_per_weight(targets, count);
    size_t total = 0;

    ring_clear(ring);
    for (size_t i = 0; i < count; i++)
        total += points_of(targets[i], per_weight);
    ring->points = mem_zeroed_array(total + 1, sizeof(*ring->points));
    for (size_t i = 0; i < count; i++) {
        uint64_t base = hash_slice(&KEY, targets[i]->url);
        size_t points = points_of(targets[i], per_weight);
        for (uint64_t number = 0; number < points; number++) {
            struct slice text = slice_of((const char *)&number, sizeof(number));
            struct hash_key key = {base, KEY.high};
            uint64_t place = hash_slice(&key, text) & ~(uint64_t)UINT32_MAX;
            ring->points[ring->count++] = place | i;
        }
    }
    qsort(ring->points, ring->count, sizeof(*ring->points), in_order);
}

void ring_clear(struct ring *ring)
{
    free(ring->points);
    *ring = (struct ring){.points = NULL};
}

uint64_t ring_key(struct slice text)
{
    return hash_slice(&KEY, text) | 1;
}

size_t ring_find(const struct ring *ring, uint64_t key)
{
    size_t low = 0, high = ring->count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ring->points[middle] >> 32 < key >> 32)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ring->count ? low : 0;
}
