/*
 * cache_control — the directives of one message: Cache-Control, or a field that is aimed at us.
 *
 * Tolerant where RFC 9111 (4.2.1, 5.2) asks for it, and always towards less caching: unknown
 * directives count for nothing; numbers may be quoted; a lifetime that is malformed, or given twice
 * with different values, is 0; numbers beyond 2^31 are 2^31. Fields that are aimed at some caches
 * (RFC 9213) are structured fields: one fault, and they count as absent.
 */
#pragma once

#include <stdint.h>

#include "http/headers.h"

/* Delta-seconds are never more (RFC 9111, 1.2.2). */
#define CACHE_SECONDS_MAX 2147483648

enum cache_directive {
    CACHE_NO_STORE = 1 << 0,
    CACHE_NO_CACHE = 1 << 1, /* without names: see no_cache_names */
    CACHE_PRIVATE = 1 << 2,  /* without names: see private_names */
    CACHE_PUBLIC = 1 << 3,
    CACHE_MUST_REVALIDATE = 1 << 4,
    CACHE_PROXY_REVALIDATE = 1 << 5,
    CACHE_MUST_UNDERSTAND = 1 << 6,
    CACHE_NO_TRANSFORM = 1 << 7,
    CACHE_IMMUTABLE = 1 << 8,
    CACHE_ONLY_IF_CACHED = 1 << 9,
    /* Those with seconds, which are valid where the bit is set. */
    CACHE_MAX_AGE = 1 << 10,
    CACHE_S_MAXAGE = 1 << 11,
    CACHE_MIN_FRESH = 1 << 12,
    CACHE_MAX_STALE = 1 << 13, /* without a number: CACHE_SECONDS_MAX */
    CACHE_STALE_WHILE_REVALIDATE = 1 << 14,
    CACHE_STALE_IF_ERROR = 1 << 15
};

struct cache_control {
    unsigned directives; /* of enum cache_directive */
    int64_t max_age, s_maxage, min_fresh, max_stale, stale_while_revalidate, stale_if_error;
    struct slice no_cache_names, private_names; /* lists of field names; start NULL: none */
    struct slice field; /* name of the field that they are from; start NULL: there was none */
};

static inline bool cache_control_has(const struct cache_control *control, unsigned directives)
{
    return (control->directives & directives) != 0;
}

/* Cache-Control alone; all its lines are one list. */
void cache_control_read(struct cache_control *control, const struct headers *headers,
                        struct arena *arena);
/*
 * Of a response: the first of the fields `targeted` that is there, valid and not empty, else
 * Cache-Control. `control->field` says which: with a targeted one Expires does not count either
 * (RFC 9213, 2.2).
 */
void cache_control_read_targeted(struct cache_control *control, const struct headers *headers,
                                 const struct header_key *targeted, size_t targeted_count,
                                 struct arena *arena);
