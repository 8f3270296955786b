/*
 * stored_fields — which fields of an answer are stored with it (RFC 9111, 3.1), and which a 304 may
 * replace (3.2).
 */
#pragma once

#include "cache/cache_request.h"

/* Names that an answer itself takes out, as it was read once. */
struct stored_fields {
    const struct cache_policy *policy;
    struct slice no_cache, private; /* lists of names; start NULL: none */
    struct slice nominated;         /* by Connection */
};

void stored_fields_read(struct stored_fields *fields, const struct cache_policy *policy,
                        const struct cache_control *control, const struct headers *headers,
                        struct arena *arena);
bool stored_fields_has(const struct stored_fields *fields, const struct header *header);
/* Whether a field of a 304 takes the place of the stored one. */
bool stored_fields_is_updated(const struct header *header);
