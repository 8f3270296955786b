/*
 * exact_text — hands an input to a check as a text in memory of exactly its size, so that the
 * sanitizer sees reads beyond it.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/slice.h"

/* The caller frees it. */
static inline char *exact_text_copy(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);

    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static inline int exact_text_check(const unsigned char *data, size_t size,
                                   void (*check)(struct slice text, struct arena *arena))
{
    struct arena arena;
    char *copy = exact_text_copy(data, size);

    arena_init(&arena);
    check(slice_of(copy, size), &arena);
    arena_clear(&arena);
    free(copy);
    return 0;
}
