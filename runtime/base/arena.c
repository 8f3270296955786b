/*
 * arena — blocks in a list, the newest one being filled.
 */
#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/mem.h"

/* One that holds so much, as a configuration's may, gets the rest in large pages. */
#define LARGE_BYTES MEM_LARGE_PAGE_BYTES

/* Of a formatted text that is not formatted twice, its end included. */
#define FORMAT_SHORT_BYTES 512

struct arena_block {
    struct arena_block *older;
    size_t bytes;
    char memory[] __attribute__((aligned(16)));
};

struct arena_deferred {
    struct arena_deferred *older;
    void (*function)(void *data);
    void *data;
};

static void add_block(struct arena *arena, size_t bytes)
{
    size_t all = sizeof(struct arena_block) + bytes;
    struct arena_block *block = all < LARGE_BYTES ? mem_alloc(all) : mem_table(all);
    block->older = arena->blocks;
    block->bytes = bytes;
    arena->blocks = block;
    arena->next = block->memory;
    arena->end = block->memory + bytes;
}

void arena_init(struct arena *arena)
{
    *arena = (struct arena){0};
    add_block(arena, ARENA_BLOCK_BYTES);
}

static void run_deferred(struct arena *arena)
{
    while (arena->deferred != NULL) {
        struct arena_deferred *deferred = arena->deferred;
        arena->deferred = deferred->older;
        deferred->function(deferred->data);
    }
}

static void free_blocks(struct arena *arena, const struct arena_block *up_to)
{
    while (arena->blocks != up_to) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->older;
        free(block);
    }
}

static struct arena_block *first_block(const struct arena *arena)
{
    struct arena_block *block = arena->blocks;
    while (block->older != NULL)
        block = block->older;
    return block;
}

/* One block where several were needed, so that the next time one is enough. */
static OUT_OF_LINE void keep_enough(struct arena *arena)
{
    struct arena_block *first = first_block(arena);
    size_t bytes = first->bytes;

    while (bytes < arena->bytes)
        bytes *= 2;
    if (bytes > ARENA_KEPT_BYTES_MAX) {
        free_blocks(arena, first);
        return;
    }
    free_blocks(arena, NULL);
    add_block(arena, bytes);
}

void arena_reset(struct arena *arena)
{
    run_deferred(arena);
    if (arena->blocks->older != NULL)
        keep_enough(arena);
    arena->next = arena->blocks->memory;
    arena->end = arena->blocks->memory + arena->blocks->bytes;
    arena->bytes = 0;
}

void arena_clear(struct arena *arena)
{
    if (arena->blocks == NULL)
        return;
    run_deferred(arena);
    free_blocks(arena, NULL);
    *arena = (struct arena){0};
}

void *arena_alloc_slow(struct arena *arena, size_t bytes)
{
    size_t rounded = (bytes + 15) & ~(size_t)15;
    assert(rounded >= bytes);
    assert(arena->blocks != NULL);
    size_t least =
        arena->bytes < LARGE_BYTES ? ARENA_BLOCK_BYTES : LARGE_BYTES - sizeof(struct arena_block);
    add_block(arena, rounded > least ? rounded : least);
    arena->next += rounded;
    arena->bytes += rounded;
    return arena->blocks->memory;
}

void *arena_zeroed(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

struct slice arena_join(struct arena *arena, struct slice one, struct slice other)
{
    char *copy = arena_alloc(arena, one.length + other.length);
    if (one.length > 0)
        memcpy(copy, one.start, one.length);
    if (other.length > 0)
        memcpy(copy + one.length, other.start, other.length);
    return slice_of(copy, one.length + other.length);
}

struct slice arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    /* Twice is for long ones: half of what the JSON of a problem took was to find its length. */
    char short_text[FORMAT_SHORT_BYTES];
    int length = vsnprintf(short_text, sizeof(short_text), format, arguments);
    assert(length >= 0);
    char *text = arena_alloc(arena, (size_t)length + 1);
    if ((size_t)length < sizeof(short_text))
        memcpy(text, short_text, (size_t)length + 1);
    else
        vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return slice_of(text, (size_t)length);
}

void arena_defer(struct arena *arena, void (*function)(void *data), void *data)
{
    struct arena_deferred *deferred = arena_alloc(arena, sizeof(*deferred));
    *deferred = (struct arena_deferred){arena->deferred, function, data};
    arena->deferred = deferred;
}
