/*
 * stored_head — the head of an answer as it lies in shared memory.
 *
 * Compact, and read without a copy: a fixed part, a table of the fields, then their lines as they
 * go out again. Written by another process, so every offset is checked when it is read; made by
 * another build, whose numbers of field names may differ, it is refused.
 */
#pragma once

#include "cache/storability.h"

/* A larger head is not stored. */
#define STORED_HEAD_BYTES_MAX 32000

struct stored_head {
    int status;
    struct slice reason;
    struct freshness freshness;
    int64_t date;          /* of Date, or when it came */
    int64_t last_modified; /* INT64_MIN: none, or no valid date */
    struct slice etag;     /* start NULL: none */
    struct slice vary;     /* of variant_names(); empty: none */
    struct slice lines;    /* of the fields: "name: value\r\n" each */
    const void *table;     /* private to stored_head.c */
    uint32_t field_count;
};

/*
 * In the arena. Left out are fields of the connection, what no-cache and private name, Age, and
 * what the policy hides. Start NULL: it would be too large.
 */
struct slice stored_head_write(const struct cache_request *asked, const struct response *response,
                               const struct storable *storable, struct arena *arena);

/* Points into `bytes`. False: truncated, of another build, or damaged. */
bool stored_head_read(struct slice bytes, struct stored_head *head);

/*
 * The fields, in the arena, whose lines point into the bytes that were read: to be copied where
 * those may go away earlier. `without`: HEADERS_BIT of fields that are left out; room for `more` is
 * kept.
 */
void stored_head_fields(const struct stored_head *head, uint64_t without, uint32_t more,
                        struct headers *headers, struct arena *arena);
