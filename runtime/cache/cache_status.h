/*
 * cache_status — what the cache did with a request, told in the answer (RFC 9211).
 */
#pragma once

#include "cache/cache_policy.h"
#include "http/message.h"

/* Why a request went on to the upstream. */
enum cache_forward {
    CACHE_FORWARD_NONE, /* it did not: a hit */
    CACHE_FORWARD_BYPASS,
    CACHE_FORWARD_METHOD,
    CACHE_FORWARD_URI_MISS,
    CACHE_FORWARD_VARY_MISS,
    CACHE_FORWARD_MISS,
    CACHE_FORWARD_REQUEST, /* the client wanted it so */
    CACHE_FORWARD_STALE,
    CACHE_FORWARD_PARTIAL,
    CACHE_FORWARD_FORBIDDEN /* it did not, and is no hit: the client wants it from here alone */
};

struct cache_status {
    enum cache_forward forward;
    int forward_status; /* of the upstream's answer; 0: none, or a hit */
    bool has_ttl;       /* `ttl` is known */
    int64_t ttl;        /* seconds of its lifetime that are left; negative: stale */
    int64_t age;        /* seconds, where `ttl` is known */
    bool is_stored;     /* the answer that came was stored */
    bool is_collapsed;  /* waited for somebody else's request */
    struct slice key;   /* shown where the policy says so */
    const char *detail; /* why an answer that came was not stored: a token, or NULL */
};

/* Adds a member to the field that the response may have from caches nearer the origin. */
void cache_status_add(const struct cache_status *status, const struct cache_policy *policy,
                      struct response *response, struct arena *arena);
/* As in the field: "uri-miss"; "hit" for CACHE_FORWARD_NONE, "only-if-cached" for
 * CACHE_FORWARD_FORBIDDEN. For logs and labels. */
const char *cache_forward_text(enum cache_forward forward);
