/*
 * buffer — storage that grows by doubling up to the buffer's maximum.
 */
#include "base/buffer.h"

#include <assert.h>

#include "base/mem.h"

static char *block_take(struct buffer_pool *pool)
{
    if (pool->free == NULL)
        return mem_alloc(BUFFER_BLOCK_BYTES);
    char *block = pool->free;
    memcpy(&pool->free, block, sizeof(void *));
    pool->count--;
    return block;
}

static void block_give(struct buffer_pool *pool, char *block)
{
    if (pool->count == BUFFER_POOL_BLOCKS_MAX) {
        free(block);
        return;
    }
    memcpy(block, &pool->free, sizeof(void *));
    pool->free = block;
    pool->count++;
}

void buffer_pool_clear(struct buffer_pool *pool)
{
    while (pool->free != NULL)
        free(block_take(pool));
}

void buffer_init(struct buffer *buffer, size_t bytes_max, struct buffer_pool *pool)
{
    assert(bytes_max > 0);
    *buffer = (struct buffer){.bytes_max = bytes_max, .pool = pool};
}

static void storage_release(struct buffer *buffer)
{
    if (buffer->pool != NULL && buffer->capacity == BUFFER_BLOCK_BYTES)
        block_give(buffer->pool, buffer->data);
    else
        free(buffer->data);
    buffer->data = NULL;
    buffer->start = buffer->end = buffer->capacity = 0;
}

void buffer_clear(struct buffer *buffer)
{
    if (buffer->data != NULL)
        storage_release(buffer);
}

/* What waits moves into storage of `capacity` bytes. */
static void storage_replace(struct buffer *buffer, size_t capacity)
{
    size_t length = buffer_length(buffer);
    struct buffer old = *buffer;

    if (buffer->pool != NULL && capacity <= BUFFER_BLOCK_BYTES) {
        capacity = BUFFER_BLOCK_BYTES;
        buffer->data = block_take(buffer->pool);
    } else {
        buffer->data = mem_alloc(capacity);
    }
    if (length > 0)
        memcpy(buffer->data, old.data + old.start, length);
    buffer->capacity = capacity;
    buffer->start = 0;
    buffer->end = length;
    buffer_clear(&old);
}

char *buffer_reserve(struct buffer *buffer, size_t bytes)
{
    size_t length = buffer_length(buffer);

    if (bytes > buffer->bytes_max || length > buffer->bytes_max - bytes)
        return NULL;
    if (bytes <= buffer->capacity - buffer->end)
        return buffer->data + buffer->end;
    if (length + bytes <= buffer->capacity) {
        memmove(buffer->data, buffer->data + buffer->start, length);
        buffer->start = 0;
        buffer->end = length;
        return buffer->data + buffer->end;
    }
    size_t capacity = buffer->capacity > 0 ? buffer->capacity : 512;
    while (capacity < length + bytes)
        capacity *= 2;
    storage_replace(buffer, capacity);
    return buffer->data + buffer->end;
}

void buffer_commit(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer->capacity - buffer->end);
    buffer->end += bytes;
}

bool buffer_append(struct buffer *buffer, struct slice slice)
{
    if (slice.length == 0)
        return true;
    char *room = buffer_reserve(buffer, slice.length);
    if (room == NULL)
        return false;
    memcpy(room, slice.start, slice.length);
    buffer_commit(buffer, slice.length);
    return true;
}

void buffer_consume(struct buffer *buffer, size_t bytes)
{
    assert(bytes <= buffer_length(buffer));
    buffer->start += bytes;
    if (buffer->start == buffer->end)
        buffer_clear(buffer);
}
