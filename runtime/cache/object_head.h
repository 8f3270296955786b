/*
 * object_head — what the store is given of an answer beside its body: the stored head, the tags
 * that it is purged by, and how long it is of use.
 */
#pragma once

#include "cache/http_cache.h"
#include "cache/stored_head.h"
#include "shm/object_fill.h"

struct object_head_source {
    const struct cache_request *asked;
    const struct object_key *key;
    const struct response *response;
    struct cache_times times;
    struct arena *arena;
};

enum storability object_head_storability(const struct object_head_source *source,
                                         struct storable *storable);
/* Of what is STORABLE; in the arena. False: it is too large. */
bool object_head_make(const struct object_head_source *source, const struct storable *storable,
                      struct object_head *head);
/*
 * What is stored has a new head, with the fields of the response that confirmed it; ends the
 * refresh. False: it keeps the one that it had.
 */
bool object_head_freshen(struct http_cache *cache, const struct object_head_source *source,
                         const struct stored_head *stored, struct object_refresh *refresh);
