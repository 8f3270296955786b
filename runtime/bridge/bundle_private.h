/*
 * bundle_private — what a bundle consists of, for the two files that make one.
 */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "bridge/bundle.h"

struct bundle {
    atomic_uint references;
    struct arena arena; /* entries, their paths, and contents that are not in the map */
    void *tree;         /* tsearch(3) of all entries */
    struct bundle_entry **entries;
    size_t count, capacity;
    size_t bytes; /* of paths and contents */
    void *map;    /* of the descriptor it was opened from, or NULL */
    size_t map_bytes;
    bool is_closed;
    unsigned char digest[BUNDLE_DIGEST_BYTES]; /* of what is in the map */
};

/* For qsort() and tsearch(): by kind, then path. */
int bundle_compare(const void *left, const void *right);
/* Copies the entry, but neither path nor content; false when there is one for the path already. The
 * limits are the caller's to check. */
bool bundle_add(struct bundle *bundle, const struct bundle_entry *entry);
