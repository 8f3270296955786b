/*
 * invalidation — the URI of the request, and two references where they stay on its origin.
 */
#include "cache/invalidation.h"

#include "cache/cache_key.h"

/* Adds a URI that is not among them yet. */
static void add(struct slice *uris, unsigned *count, struct slice uri)
{
    if (uri.start == NULL)
        return;
    for (unsigned i = 0; i < *count; i++) {
        if (slice_equals(uris[i], uri))
            return;
    }
    uris[(*count)++] = uri;
}

/* Of another origin nobody may purge anything by an answer of this one (RFC 9111, 4.4). */
static void add_reference(struct slice *uris, unsigned *count, const struct cache_request *asked,
                          const struct header *header, struct arena *arena)
{
    if (header == NULL)
        return;
    struct slice uri = cache_key_of_reference(asked, header->value, arena);
    struct slice own = cache_key_uri(asked, arena);
    if (uri.start != NULL && own.start != NULL &&
        slice_equals(cache_key_origin(uri), cache_key_origin(own)))
        add(uris, count, uri);
}

unsigned invalidation_uris(const struct cache_request *asked, const struct response *response,
                           struct arena *arena, struct slice uris[INVALIDATION_URIS_MAX])
{
    unsigned count = 0;

    if (asked->way != CACHE_WAY_WRITE || response->status < 200 || response->status >= 400)
        return 0;
    add(uris, &count, cache_key_uri(asked, arena));
    add_reference(uris, &count, asked, headers_find_known(&response->headers, HEADER_LOCATION),
                  arena);
    add_reference(uris, &count, asked,
                  headers_find_known(&response->headers, HEADER_CONTENT_LOCATION), arena);
    return count;
}
