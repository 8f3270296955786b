/*
 * bundle_private — what a bundle consists of, for the two files that make one.
 */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "bridge/bundle.h"

struct bundle {
    atomic_uint references;
    struct arena arena; /* other entries than the sealed ones, their paths and contents */
    struct bundle_entry **entries;
    size_t count, capacity;
    struct bundle_entry *sealed; /* the first ones: of the descriptor it was opened from, sorted */
    size_t sealed_count;
    void *tree;   /* tsearch(3) of the others */
    size_t bytes; /* of paths and contents */
    void *map;    /* of that descriptor, or NULL */
    size_t map_bytes;
    bool is_closed;
};

/* For qsort(), bsearch() and tsearch(): by kind, then path. */
int bundle_compare(const void *left, const void *right);
