/*
 * invalidation — which stored answers a write makes worthless (RFC 9111, 4.4).
 */
#pragma once

#include "cache/cache_request.h"

#define INVALIDATION_URIS_MAX 3

/*
 * URIs in the form of cache_key_of_uri(): the request's own, and those in Location and
 * Content-Location that have the same origin. None unless the answer is no error (2xx or 3xx) and
 * the request unsafe or of an unknown method. The number of them.
 */
unsigned invalidation_uris(const struct cache_request *asked, const struct response *response,
                           struct arena *arena, struct slice uris[INVALIDATION_URIS_MAX]);
