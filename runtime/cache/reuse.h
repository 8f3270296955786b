/*
 * reuse — whether a stored answer is the answer to a request (RFC 9111, 4; RFC 5861).
 */
#pragma once

#include "cache/cache_request.h"
#include "cache/cache_status.h"
#include "cache/freshness.h"

enum reuse {
    REUSE_FRESH,       /* answer with it */
    REUSE_STALE,       /* answer with it: the client takes what is as stale */
    REUSE_REFRESH,     /* answer with it, stale as it is, and let one fetch validate it meanwhile */
    REUSE_VALIDATE,    /* ask the upstream first, with what it is known by (validation.h) */
    REUSE_UNAVAILABLE, /* only-if-cached: 504 */
    REUSE_GONE         /* as if it were not there: beyond all its windows */
};

struct reuse_verdict {
    enum reuse reuse;
    enum cache_forward forward; /* why, where the upstream is asked before the answer */
};

/*
 * `is_purged`: softly: it has just become stale, whatever its lifetime. The request's wishes count
 * as far as the policy obeys clients.
 */
struct reuse_verdict reuse_decide(const struct cache_request *asked,
                                  const struct freshness *freshness, double now, bool is_purged);
/* When nothing is stored: REUSE_GONE, or REUSE_UNAVAILABLE. */
enum reuse reuse_of_nothing(const struct cache_request *asked);

enum reuse_failure {
    REUSE_FAILURE_STALE,  /* answer with the stored one, stale as it is */
    REUSE_FAILURE_PASS,   /* the failure is the answer */
    REUSE_FAILURE_TIMEOUT /* it had to be validated and could not be: 504 (RFC 9111, 5.2.2.2) */
};

/*
 * The upstream failed while a stored answer was validated: `status` 0 for no answer at all, else
 * its 500, 502, 503 or 504 (other statuses are no failure: REUSE_FAILURE_PASS).
 */
enum reuse_failure reuse_on_failure(const struct cache_request *asked,
                                    const struct freshness *freshness, double now, int status);
