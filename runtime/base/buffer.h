/*
 * buffer — bytes that wait, between a writer at the end and a reader at the start.
 *
 * Born with a maximum that it never exceeds. Storage comes with the first byte
 * and goes with the last one read, through a pool of blocks where one is given,
 * so an idle connection holds none.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Blocks of one size, kept for reuse by buffers of one thread. */
#define BUFFER_BLOCK_BYTES     16384
#define BUFFER_POOL_BLOCKS_MAX 256

struct buffer_pool {
    void *free; /* linked through their first word */
    size_t count;
};

struct buffer {
    char *data;
    size_t start, end; /* what waits is data[start..end) */
    size_t capacity, bytes_max;
    struct buffer_pool *pool; /* may be NULL: the heap then */
};

void buffer_pool_clear(struct buffer_pool *pool);

void buffer_init(struct buffer *buffer, size_t bytes_max, struct buffer_pool *pool);
void buffer_clear(struct buffer *buffer);

static inline size_t buffer_length(const struct buffer *buffer)
{
    return buffer->end - buffer->start;
}

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return slice_of(buffer->data + buffer->start, buffer->end - buffer->start);
}

/*
 * Room for `bytes` at the end, or NULL when that would exceed the maximum; write
 * there, then buffer_commit() what was written.
 */
char *buffer_reserve(struct buffer *buffer, size_t bytes);
void buffer_commit(struct buffer *buffer, size_t bytes);
/* False, with nothing added, when it would exceed the maximum. */
bool buffer_append(struct buffer *buffer, struct slice slice);
/* Takes `bytes` off the start; with the last byte the storage goes back. */
void buffer_consume(struct buffer *buffer, size_t bytes);
