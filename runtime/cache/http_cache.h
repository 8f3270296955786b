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
    struct list flows;                    /* ... those that wait for readers: fill_flow.h */
    unsigned background_count;            /* of them, those without a client */
    const struct cached_call *told; /* that tells its user something just now, unless released */
    ev_io wake;
    ev_timer watch; /* runs while there are flows: a reader's worker may have died */
};

/* Watches for what other workers tell. `store` is attached, and borrowed. */
struct http_cache *http_cache_create(struct loop *loop, struct object_store *store);
/* Breaks off what is being filled. After the last cached call. */
void http_cache_destroy(struct http_cache **cache);

/* A fill flows from now on; it is in no list of the cache's. */
void http_cache_add_flow(struct http_cache *cache, struct list *node);
/* A fill has left its list. */
void http_cache_rest(struct http_cache *cache);

/* The store's time, as of this turn of the loop. */
static inline uint64_t http_cache_ns(const struct http_cache *cache, double seconds_ahead)
{
    return (uint64_t)((loop_now(cache->loop) + seconds_ahead) * 1e9);
}
