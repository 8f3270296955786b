/*
 * arena — memory that lives as long as one request, and is given back at once.
 *
 * Nothing allocated here is freed by hand. A reset runs what was deferred,
 * newest first, and keeps one block, as large as what was used of it unless that
 * was much, so that a recycled arena of an ordinary request asks the heap for
 * nothing.
 */
#pragma once

#include <assert.h>
#include <stddef.h>

#include "base/slice.h"

#define ARENA_BLOCK_BYTES 4096
/* Of what a reset keeps. */
#define ARENA_KEPT_BYTES_MAX 16384

struct arena_block;
struct arena_deferred;

struct arena {
    struct arena_block *blocks; /* newest first */
    struct arena_deferred *deferred;
    char *next, *end; /* what is left of the newest block */
    size_t bytes;     /* asked for since the last reset */
};

void arena_init(struct arena *arena);
/* Runs the deferred calls and forgets all memory but one block. */
void arena_reset(struct arena *arena);
/* Runs the deferred calls and gives everything back to the heap. Nothing for an arena that is all
 * zero. */
void arena_clear(struct arena *arena);

void *arena_alloc_slow(struct arena *arena, size_t bytes);

/* Aligned for anything, not zeroed. */
static inline void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + 15) & ~(size_t)15;
    if (rounded < bytes || rounded > (size_t)(arena->end - arena->next))
        return arena_alloc_slow(arena, bytes);
    char *pointer = arena->next;
    arena->next += rounded;
    arena->bytes += rounded;
    return pointer;
}

void *arena_zeroed(struct arena *arena, size_t bytes);
static inline struct slice arena_copy(struct arena *arena, struct slice slice)
{
    char *copy = arena_alloc(arena, slice.length);
    if (slice.length > 0) {
        assert(slice.start != NULL);
        memcpy(copy, slice.start, slice.length);
    }
    return slice_of(copy, slice.length);
}

/* `one` followed by `other`. */
struct slice arena_join(struct arena *arena, struct slice one, struct slice other);
struct slice arena_format(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Calls `function(data)` at the next reset or clear, later deferrals first. */
void arena_defer(struct arena *arena, void (*function)(void *data), void *data);
