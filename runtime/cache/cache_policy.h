/*
 * cache_policy — how one route wants its answers to be cached.
 *
 * Built with the generation, in its memory, read-only afterwards; a route without a policy is not
 * cached. Seconds are CACHE_POLICY_NONE where nothing was said.
 */
#pragma once

#include "http/message.h"

#define CACHE_POLICY_NONE (-1.0)

#define CACHE_POLICY_FIELDS_MAX     16 /* of each list below */
#define CACHE_POLICY_VARY_NAMES_MAX 16 /* an answer that varies by more fields is not stored */

/* What to do with an answer that has Set-Cookie. */
enum cache_set_cookie {
    CACHE_SET_COOKIE_PASS,  /* it is not stored */
    CACHE_SET_COOKIE_STRIP, /* stored without that field; who filled the cache gets it */
    CACHE_SET_COOKIE_STORE  /* stored with it, as RFC 9111 (7.3) permits */
};

enum cache_query {
    CACHE_QUERY_ALL,    /* the raw query, in its order */
    CACHE_QUERY_SORTED, /* all its pairs, sorted by their bytes */
    CACHE_QUERY_LISTED, /* pairs of the listed names, sorted */
    CACHE_QUERY_NONE
};

/* Of the statuses from `first` to `last`. */
struct cache_policy_ttl {
    uint16_t first, last;
    double seconds;
};

enum cache_condition_kind { CACHE_CONDITION_HEADER, CACHE_CONDITION_COOKIE, CACHE_CONDITION_QUERY };

/* Holds for a request that has the header, cookie or parameter, with that value if one is given. */
struct cache_condition {
    enum cache_condition_kind kind;
    struct header_key name; /* id HEADER_OTHER unless it is a header's */
    struct slice value;     /* start NULL: any */
};

struct cache_policy {
    struct slice name;               /* of this cache in Cache-Status: a token */
    struct slice route;              /* for purging by route */
    uint32_t account;                /* of what it stores: cache_policy_account() of the route */
    struct cache_counters *counters; /* of the route, of this worker; NULL: nobody counts */

    /* Lifetime of answers that say nothing of it. */
    const struct cache_policy_ttl *ttls; /* by status: the first that fits */
    size_t ttl_count;
    double ttl;             /* of other statuses that are cacheable by default (RFC 9110, 15.1) */
    double heuristic_share; /* of the time since Last-Modified, where there is no ttl; 0: never */
    double heuristic_max;   /* seconds */
    double lifetime_max;    /* of all answers; CACHE_POLICY_NONE: no limit */

    /* After the lifetime; what an answer says of it itself counts first. */
    double grace;          /* answered at once and fetched anew behind the client's back */
    double stale_if_error; /* answered when the upstream fails */
    double keep;           /* only kept to be validated */

    const struct header_key *targeted; /* fields that come before Cache-Control (RFC 9213) */
    size_t targeted_count;

    /* What a key has beside scheme, host and path. */
    struct slice scope; /* of a route that is chosen by more than method, host and path: its name */
    const struct slice *query_names; /* of CACHE_QUERY_LISTED, decoded */
    size_t query_name_count;
    const struct header_key *key_headers;
    size_t key_header_count;
    const struct slice *key_cookies;
    size_t key_cookie_count;

    const struct cache_condition *bypass; /* any of them: neither looked up nor stored */
    size_t bypass_count;
    const struct cache_condition *no_store; /* any of them: looked up, but not stored */
    size_t no_store_count;

    struct header_key tags; /* field of answers with names to purge by; name.start NULL: none */
    uint64_t object_bytes_max;

    unsigned methods; /* bits 1 << enum method: of GET, HEAD and POST */
    enum cache_set_cookie set_cookie;
    enum cache_query query;

    bool is_ttl_forced; /* the ttl also of answers that say theirs; no-store and private count */
    bool obeys_clients; /* no-cache, max-age, min-fresh, max-stale and Pragma of requests count */
    bool is_stale_after_s_maxage; /* explicit stale-* of an answer count beside its s-maxage too */
    bool is_range_passed; /* of what is not there a part is asked for as such, and not stored */
    bool is_key_by_consumer;
    bool has_wider_keys;  /* some route of the configuration keys by more than URIs: writes have to
                             purge by cache_key_uri_tag() too */
    bool is_tags_hidden;  /* clients do not get to see the tags */
    bool is_status_shown; /* Cache-Status in answers */
    bool is_key_shown;    /* ... with the key */
};

/* All that a policy is when nothing is said: GET and HEAD, no ttl, heuristics of 10 % and a day. */
extern const struct cache_policy CACHE_POLICY;

/* A number that a route's name has in all generations; never 0. */
uint32_t cache_policy_account(struct slice route);
/* Takes off an answer what is for the cache's eyes alone. */
void cache_policy_hide(const struct cache_policy *policy, struct response *response);
/* Whether any of the conditions holds for the request. */
bool cache_policy_holds(const struct cache_condition *conditions, size_t count,
                        const struct request *request, struct arena *arena);
