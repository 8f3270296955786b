/*
 * storability — whether an answer may be stored (RFC 9111, 3).
 */
#pragma once

#include "cache/cache_request.h"
#include "cache/freshness.h"

enum storability {
    STORABLE,
    UNSTORABLE_REQUEST, /* method, no-store or a condition of the policy; a method's answer */
    UNSTORABLE_STATUS,  /* 1xx, 206, 304, or not understood with must-understand */
    UNSTORABLE_NO_STORE,
    UNSTORABLE_PRIVATE,
    UNSTORABLE_AUTHORIZATION, /* of a request with it, and nothing in the answer permits it */
    UNSTORABLE_VARY,          /* Vary: *, or too many names */
    UNSTORABLE_SET_COOKIE,
    UNSTORABLE_LIFETIME, /* neither a lifetime nor a validator: of no use later */
    UNSTORABLE_SIZE      /* Content-Length is beyond the policy's limit */
};

/* All that is found out on the way. */
struct storable {
    struct cache_control control;
    struct freshness freshness;
    struct slice vary; /* of variant_names(); empty: none */
};

/*
 * `storable` is filled in when the answer is STORABLE. That the body is complete is the caller's to
 * see to.
 */
enum storability storability_of(const struct cache_request *asked, const struct response *response,
                                struct cache_times times, struct arena *arena,
                                struct storable *storable);
/* For logs and the `detail` of Cache-Status: "no-store", "vary"; NULL for STORABLE. */
const char *storability_text(enum storability storability);
