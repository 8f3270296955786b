/*
 * http_cache — being told of what others fill, and the end of what this worker fills.
 */
#include "cache/http_cache.h"

#include "base/mem.h"
#include "cache/fill.h"

static void on_wake(struct ev_loop *ev, ev_io *wake, int events)
{
    struct http_cache *cache = wake->data;

    object_store_wake(cache->store);
    loop_flush(cache->loop);
}

struct http_cache *http_cache_create(struct loop *loop, struct object_store *store)
{
    struct http_cache *cache = mem_zeroed(sizeof(*cache));
    int fd = object_store_wake_fd(store);

    cache->loop = loop;
    cache->store = store;
    list_init(&cache->fills);
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

    while (!list_is_empty(&cache->fills))
        fill_break_off(CONTAINER_OF(cache->fills.next, struct fill, node));
    if (ev_is_active(&cache->wake)) {
        ev_ref(cache->loop->ev);
        ev_io_stop(cache->loop->ev, &cache->wake);
    }
    free(cache);
    *pointer = NULL;
}
