/*
 * stored_head — fuzzes heads as they lie in shared memory: whole ones that are read back, and
 * damaged ones.
 */
#include "cache/stored_head.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool lies_in(struct slice part, struct slice whole)
{
    return part.length == 0 ||
           (part.start >= whole.start && part.start + part.length <= whole.start + whole.length);
}

static struct slice write_head(struct arena *arena)
{
    struct request request = {.method = METHOD_GET, .query = SLICE_NONE, .upgrade = SLICE_NONE};
    struct response response = {.status = 200, .reason = SLICE("OK")};
    struct cache_request asked;
    struct storable storable;
    struct cache_times times = {1790000000, 1790000000};

    headers_add(&response.headers, arena, SLICE("Cache-Control"), SLICE("max-age=60"));
    headers_add(&response.headers, arena, SLICE("ETag"), SLICE("\"a\""));
    headers_add(&response.headers, arena, SLICE("Vary"), SLICE("Accept"));
    headers_add(&response.headers, arena, SLICE("X"), SLICE("1"));
    cache_request_read(&asked, &CACHE_POLICY, &request, arena);
    enum storability result = storability_of(&asked, &response, times, arena, &storable);
    assert(result == STORABLE);
    return stored_head_write(&asked, &response, &storable, arena);
}

/* Pairs of bytes: where to change the head, and how. */
static void damage(struct slice head, const unsigned char *data, size_t size)
{
    char *bytes = (char *)(uintptr_t)head.start;
    for (size_t i = 0; i + 1 < size; i += 2)
        bytes[data[i] % head.length] ^= (char)data[i + 1];
}

static void check(struct slice bytes, struct arena *arena)
{
    struct stored_head head;
    struct headers headers;

    if (!stored_head_read(bytes, &head))
        return;
    assert(lies_in(head.reason, bytes) && lies_in(head.vary, bytes) && lies_in(head.etag, bytes));
    stored_head_fields(&head, 0, 4, &headers, arena);
    uint32_t at = 0;
    for (const struct header *header; (header = headers_next(&headers, &at)) != NULL;)
        assert(lies_in(header->name, bytes) && lies_in(header->value, bytes));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct arena arena;
    struct slice written;
    size_t cut = size > 0 ? data[0] : 0;

    arena_init(&arena);
    written = write_head(&arena);
    assert(cut <= written.length);
    /* A block of exactly its size, so that the sanitizer sees reads beyond it. */
    size_t length = written.length - cut / 64;
    char *copy = malloc(length);
    memcpy(copy, written.start, length);
    damage(slice_of(copy, length), data, size);
    check(slice_of(copy, length), &arena);
    free(copy);

    char *raw = malloc(size > 0 ? size : 1);
    if (size > 0)
        memcpy(raw, data, size);
    check(slice_of(raw, size), &arena);
    arena_clear(&arena);
    free(raw);
    return 0;
}
