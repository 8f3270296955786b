/*
 * cache_key — the text by which an answer is found: the resource, then the variant.
 *
 * A key is made of parts that no part can imitate: they are separated by a byte that none of them
 * may have. GET and HEAD have the same; POST too, as its answer is stored for GET alone.
 */
#pragma once

#include "cache/cache_request.h"

/* A longer one is not cached. */
#define CACHE_KEY_BYTES_MAX 8192

/*
 * "https://host:port/path?query", lower case where case means nothing, the scheme's own port left
 * out, then what the policy adds. `consumer` may be empty. In the arena; start NULL: too long.
 */
struct slice cache_key_make(const struct cache_request *asked, struct slice consumer,
                            struct arena *arena);
/* The part of a key that is a URI: for purging by prefix and for Cache-Status. Points into it. */
struct slice cache_key_uri(struct slice key);
/*
 * The beginning of all keys of one URI ("http://host/path?query" as an operator writes it), made
 * normal as requests are: key_uri of each of them is equal to it, or begins with it and '?'. Start
 * NULL: not an absolute URI of http or https.
 */
struct slice cache_key_of_uri(struct slice uri, struct arena *arena);
