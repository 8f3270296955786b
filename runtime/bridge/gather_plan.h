/*
 * gather_plan — requests that are made again and again, checked once.
 *
 * Belongs to an instance of a plugin, which makes it at its first request; lives in the memory of
 * the generation.
 */
#pragma once

#include "bridge/exports.h"

struct cluster;

struct gather_part {
    struct cluster *cluster; /* NULL: there are too many different hosts */
    struct request request;  /* as it goes out where the client's adds nothing to it */
    struct slice body;       /* start NULL: none */
    struct slice member;
    double seconds; /* 0: only those of the whole */
    size_t received_max;
    enum moon_gather_interest interest;
    bool is_fixed;
    bool owns_host, owns_accept; /* else they have defaults, which forwarded fields replace */
};

struct gather_plan {
    struct generation *generation;
    struct header_key *forwards;
    uint32_t forward_count, forward_capacity;
    uint32_t part_count;
    bool is_whole; /* see moon_gather_plan_whole() */
    struct gather_part parts[];
};

/* Whether a part's own field of that name stands. */
bool gather_part_owns(const struct gather_part *part, struct header_key key);
/* False when it is not what a plugin may send. The texts are kept. */
bool gather_part_set_field(struct request *request, struct arena *arena, struct slice name,
                           struct slice value);
