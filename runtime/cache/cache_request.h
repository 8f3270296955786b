/*
 * cache_request — what a request says to a cache: whether it may be answered from there, and how.
 *
 * Read once, before the key is made.
 */
#pragma once

#include "cache/cache_control.h"
#include "cache/cache_policy.h"
#include "cache/cache_status.h"
#include "http/message.h"

enum cache_way {
    CACHE_WAY_LOOKUP, /* GET or HEAD: look it up */
    CACHE_WAY_PASS,   /* a safe request that has nothing to do with the cache */
    CACHE_WAY_WRITE   /* unsafe, or of an unknown method: passed on; its answer invalidates */
};

struct cache_request {
    const struct request *request; /* borrowed: as the client sent it, after policies */
    const struct cache_policy *policy;
    enum cache_way way;
    bool is_bypassed; /* CACHE_WAY_PASS by a condition of the policy */
    bool may_store;   /* the answer to this very request may be: of GET, or POST (RFC 9111, 3) */
    bool has_authorization; /* it came with one, even if policy has taken it off */
    bool is_conditional;    /* If-None-Match or If-Modified-Since: may be answered 304 */
    bool is_origins;        /* If-Match or If-Unmodified-Since: only the origin may answer it */
    struct slice range;     /* Range of a GET; start NULL: none */
    /* Set by the caller before the key is made; empty: as the route says. */
    struct cache_context {
        struct slice consumer;    /* name of who asks, for is_key_by_consumer */
        struct slice upstream;    /* of another cluster than the route's, chosen by a plugin */
        struct slice path, query; /* that a plugin has set to be sent upstream */
        bool is_authenticated;    /* a plugin has found out who asks: as good as Authorization */
    } context;
    struct cache_control control; /* Pragma: no-cache among it where there is no Cache-Control */
};

/* `request` is as it came, before fields for the upstream were added. */
void cache_request_read(struct cache_request *asked, const struct cache_policy *policy,
                        const struct request *request, struct arena *arena);
/* The answer may be meant for one caller alone (RFC 9111, 3.5). */
static inline bool cache_request_is_of_caller(const struct cache_request *asked)
{
    return asked->has_authorization || asked->context.is_authenticated;
}
/* Why it is not looked up. */
enum cache_forward cache_request_forward(const struct cache_request *asked);
