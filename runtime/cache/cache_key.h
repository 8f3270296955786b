/*
 * cache_key — the text by which an answer is found: what the policy adds, then the URI.
 *
 * Parts are separated by a byte that none of them may have, so none can imitate another. GET and
 * HEAD have the same key; POST too, as its answer is stored for GET alone. A route that is chosen
 * by nothing but method, host and path adds nothing by itself, so that a write on one route finds
 * what another one reads.
 */
#pragma once

#include "cache/cache_request.h"

/* A longer one is not cached. */
#define CACHE_KEY_BYTES_MAX 1536

struct cache_key {
    struct slice text; /* in the arena; start NULL: too long, or its query cannot be read */
    size_t uri_at;     /* from here on it is the URI; 0: nothing else */
};

/*
 * The URI is "https://host:port/path?query": lower case where case means nothing, the scheme's own
 * port left out, the query as the policy has it. `asked` has its context set.
 */
struct cache_key cache_key_make(const struct cache_request *asked, struct arena *arena);
/*
 * The URI alone, as it is when the policy adds nothing: what a write makes worthless, together with
 * all that has cache_key_uri_tag() as a tag.
 */
struct slice cache_key_uri(const struct cache_request *asked, struct arena *arena);
/*
 * An absolute URI as an operator or a Location field writes it, in the same form; the query is
 * taken as it is. Start NULL: not an absolute URI of http or https.
 */
struct slice cache_key_of_uri(struct slice uri, struct arena *arena);
/*
 * Likewise a reference of an answer (Location, Content-Location), relative to the request's URI
 * (RFC 3986, 5.2); a fragment does not count. Start NULL: it leads nowhere.
 */
struct slice cache_key_of_reference(const struct cache_request *asked, struct slice reference,
                                    struct arena *arena);
/* Up to the path: "https://host:port". Points into it. */
struct slice cache_key_origin(struct slice uri);
/*
 * The tag that an answer gets beside its own when its key has more than the URI, so that all that
 * are of one URI can be purged: no upstream can give it, as it has a byte that no field has.
 */
struct slice cache_key_uri_tag(struct slice uri, struct arena *arena);
