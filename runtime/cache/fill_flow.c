/*
 * fill_flow — what found no room waits, and the upstream with it.
 */
#include "cache/fill_flow.h"

#include <assert.h>

#include "base/mem.h"
#include "cache/fill_answer.h"
#include "shm/object_flow.h"

static struct object_store *store_of(const struct fill *fill)
{
    return fill->cache->store;
}

/* False: it has ended meanwhile. Its memory stays. */
static bool tell_client(struct fill *fill)
{
    if (fill->events != NULL)
        fill->events->on_progress(fill->data);
    return fill->step == FILL_FLOWING;
}

/* As much of what waits as finds room, and again where its own client has made some. */
static bool pour(struct fill *fill)
{
    size_t taken;

    while (fill->rest.length > 0) {
        taken = object_flow_append(store_of(fill), &fill->object, fill->rest,
                                   http_cache_ns(fill->cache, 0));
        if (taken == 0)
            break;
        fill->rest = slice_after(fill->rest, taken);
        if (!tell_client(fill))
            return false;
    }
    return true;
}

static void finish(struct fill *fill)
{
    fill->is_finished = true;
    object_flow_finish(store_of(fill), &fill->object);
    if (tell_client(fill) && !object_flow_is_read(store_of(fill), &fill->object))
        fill_end(fill);
}

static void free_rest(struct fill *fill)
{
    free(fill->rest_memory);
    fill->rest_memory = NULL;
    fill->rest = SLICE_NONE;
}

static void go_on(struct fill *fill)
{
    if (!object_flow_is_read(store_of(fill), &fill->object)) {
        fill_end(fill);
        return;
    }
    if (fill->is_finished || !pour(fill) || fill->rest.length > 0)
        return;
    free_rest(fill);
    if (fill->has_all)
        finish(fill);
    else
        http_stream_resume(fill->call);
}

void fill_flow_data(struct fill *fill, struct slice bytes)
{
    assert(fill->step == FILL_FLOWING && fill->rest_memory == NULL);
    fill->references++;
    fill->rest = bytes;
    if (pour(fill) && fill->rest.length > 0) {
        fill->rest_memory = mem_alloc(fill->rest.length);
        memcpy(fill->rest_memory, fill->rest.start, fill->rest.length);
        fill->rest.start = fill->rest_memory;
        http_stream_pause(fill->call);
    }
    fill_forget(fill);
}

void fill_flow_begin(struct fill *fill, struct slice bytes)
{
    struct http_cache *cache = fill->cache;

    fill->step = FILL_FLOWING;
    list_remove(&fill->node);
    http_cache_add_flow(cache, &fill->node);
    object_flow_begin(cache->store, &fill->object, http_cache_ns(cache, 0));
    fill_flow_data(fill, bytes);
}

void fill_flow_end(struct fill *fill)
{
    fill->references++;
    fill->has_all = true;
    if (fill->rest.length == 0)
        finish(fill);
    fill_forget(fill);
}

void fill_flow_clear(struct fill *fill)
{
    free_rest(fill);
}

void fill_flow_wake(struct http_cache *cache)
{
    struct list flows;

    list_init(&flows);
    while (!list_is_empty(&cache->flows)) {
        struct list *node = cache->flows.next;
        list_remove(node);
        list_push_back(&flows, node);
    }
    while (!list_is_empty(&flows)) {
        struct fill *fill = CONTAINER_OF(flows.next, struct fill, node);
        list_remove(&fill->node);
        list_push_back(&cache->flows, &fill->node);
        fill->references++;
        go_on(fill);
        fill_forget(fill);
    }
}
