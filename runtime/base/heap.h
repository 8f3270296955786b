/*
 * heap — memory for very many small things that end together: what a Lua state holds.
 *
 * It comes in large pages where the system has them, and a stretch at a time where it has not. Who
 * asks the kernel for one page after the other, as each is touched, may spend a third of the time
 * on that in which a configuration is read. For one thread at a time.
 */
#pragma once

#include <stddef.h>

/* Larger ones are malloc()'s. */
#define HEAP_SMALL_BYTES_MAX ((size_t)8192)

struct heap;

struct heap *heap_create(void);
/* From here on it is asked for nothing, and what is small need not be given back: that is not even
 * looked at. */
void heap_end(struct heap *heap);
/* With all that is small in it; what is larger must have been given back. */
void heap_destroy(struct heap **heap);

/*
 * `wanted` bytes, aligned for anything, with what fits of the `bytes` that were at `memory`, which
 * is gone: NULL and 0: there was nothing. 0 wanted: gives it back, NULL. Else never NULL.
 */
void *heap_resize(struct heap *heap, void *memory, size_t bytes, size_t wanted);
/* Gives back to the system what is in use for nothing. */
void heap_trim(struct heap *heap);
/* Bytes that it has of the system. */
size_t heap_bytes(const struct heap *heap);
