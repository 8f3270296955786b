/*
 * stored_answer — the response to one request, made out of a stored one: all, 304, 206 or 416.
 */
#pragma once

#include "cache/stored_head.h"
#include "http/byte_ranges.h"

/* A piece of the body: bytes of ours, then bytes of the stored one. */
struct stored_answer_part {
    struct slice before; /* of multipart/byteranges; else empty */
    uint64_t first, bytes;
};

struct stored_answer {
    struct response response; /* its fields and texts are in the arena, or where the head lies */
    struct stored_answer_part *parts;
    unsigned part_count; /* 0: no body */
    struct slice after;  /* what ends a multipart body; else empty */
};

struct stored_answer_source {
    const struct stored_head *head;
    uint64_t bytes; /* of the body; MESSAGE_LENGTH_UNKNOWN while it is still filled: then ranges are
                       not looked at, and the one part has these bytes */
    double now;
};

/*
 * Conditions in their order: If-None-Match, else If-Modified-Since, then Range with If-Range
 * (RFC 9110, 13.2.2). Adds Age; Cache-Status is the caller's.
 */
void stored_answer_make(struct stored_answer *answer, const struct cache_request *asked,
                        const struct stored_answer_source *source, struct arena *arena);

/*
 * Whether a full answer that has just come makes a 304 for the client that asked with conditions,
 * which the upstream was not told of (validation_prepare). Only for 200.
 */
bool stored_answer_is_unmodified(const struct cache_request *asked, const struct response *response,
                                 double now);
