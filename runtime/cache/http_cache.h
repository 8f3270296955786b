/*
 * http_cache — one worker's part in the cache: the store that all share, and what this one fills.
 */
#pragma once

#include "net/loop.h"
#include "shm/object_store.h"

/* Fills that go on although their clients have gone, and those that no client waits for; what would
 * be more is broken off, or not begun. */
#define HTTP_CACHE_BACKGROUND_MAX 64

struct cached_call;
struct counter_table;

struct http_cache {
    struct loop *loop;
    struct object_store *store;           /* borrowed */
    const struct counter_table *counters; /* borrowed; NULL: nothing is counted */
    struct list fills;                    /* that run: fill.h */
    unsigned background_count;            /* of them, those without a client */
    const struct cached_call *told; /* that tells its user something just now, unless released */
    ev_io wake;
};

/* Watches for what other workers tell. `store` is attached, and borrowed. */
struct http_cache *http_cache_create(struct loop *loop, struct object_store *store);
/* Breaks off what is being filled. After the last cached call. */
void http_cache_destroy(struct http_cache **cache);

/* The store's time, as of this turn of the loop. */
static inline uint64_t http_cache_ns(const struct http_cache *cache, double seconds_ahead)
{
    return (uint64_t)((loop_now(cache->loop) + seconds_ahead) * 1e9);
}
