/*
 * overlay — what an operator has said of a target at run time, as one word that all workers share.
 *
 * Lies over the configuration, whatever that says after a reload, until it is reset.
 * The word: 1 to 0 the mode, 2 whether there is a weight, 12 to 3 the weight.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum overlay_mode {
    OVERLAY_NONE,
    OVERLAY_DRAIN,  /* only requests that a cookie has bound to it still go there */
    OVERLAY_DISABLE /* none do */
};

struct overlay {
    enum overlay_mode mode;
    bool has_weight;
    unsigned weight; /* 1 to 1000, instead of the configured one */
};

static inline struct overlay overlay_of(uint64_t word)
{
    return (struct overlay){
        .mode = (enum overlay_mode)(word & 3),
        .has_weight = (word & 4) != 0,
        .weight = (unsigned)(word >> 3) & 1023,
    };
}

static inline uint64_t overlay_word(const struct overlay *overlay)
{
    return (uint64_t)overlay->mode | (overlay->has_weight ? 4 : 0) | (uint64_t)overlay->weight << 3;
}
