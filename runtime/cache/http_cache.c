/*
 * http_cache — being told of what others fill, and the end of what this worker fills.
 */
#include "cache/http_cache.h"

#include "base/mem.h"
#include "cache/fill.h"
#include "cache/fill_flow.h"

#define WATCH_SECONDS 0.1

static void on_wake(struct ev_loop *ev, ev_io *wake, int events)
{
    struct http_cache *cache = wake->data;

    object_store_wake(cache->store);
    fill_flow_wake(cache);
    loop_flush(cache->loop);
}

static void on_watch(struct ev_loop *ev, ev_timer *watch, int events)
{
    struct http_cache *cache = watch->data;

    fill_flow_wake(cache);
    loop_flush(cache->loop);
}

void http_cache_add_flow(struct http_cache *cache, struct list *node)
{
    list_push_back(&cache->flows, node);
    if (!ev_is_active(&cache->watch))
        ev_timer_start(cache->loop->ev, &cache->watch);
}

void http_cache_rest(struct http_cache *cache)
{
    if (ev_is_active(&cache->watch) && list_is_empty(&cache->flows))
        ev_timer_stop(cache->loop->ev, &cache->watch);
}

static void break_off(struct list *fills)
{
    while (!list_is_empty(fills))
        fill_break_off(CONTAINER_OF(fills->next, struct fill, node));
}

struct http_cache *http_cache_create(struct loop *loop, struct object_store *store)
{
    struct http_cache *cache = mem_zeroed(sizeof(*cache));
    int fd = object_store_wake_fd(store);

    cache->loop = loop;
    cache->store = store;
    list_init(&cache->fills);
    list_init(&cache->flows);
    ev_timer_init(&cache->watch, on_watch, WATCH_SECONDS, WATCH_SECONDS);
    cache->watch.data = cache;
    ev_io_init(&cache->wake, on_wake, fd, EV_READ);
    cache->wake.data = cache;
    if (fd >= 0) {
        ev_io_start(loop->ev, &cache->wake);
        ev_unref(loop->ev); /* waiting for others alone keeps no loop running */
    }
    return cache;
}

void http_cache_destroy(struct http_cache **pointer)
{
    struct http_cache *cache = *pointer;

    break_off(&cache->fills);
    break_off(&cache->flows);
    if (ev_is_active(&cache->wake)) {
        ev_ref(cache->loop->ev);
        ev_io_stop(cache->loop->ev, &cache->wake);
    }
    free(cache);
    *pointer = NULL;
}
