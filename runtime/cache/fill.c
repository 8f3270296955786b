/*
 * fill — the call and its end; what becomes of its answer is fill_answer.c's.
 */
#include "cache/fill.h"

#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "cache/fill_answer.h"
#include "cache/fill_flow.h"
#include "cache/validation.h"
#include "shm/object_flow.h"

/* So much of an answer that nobody wants is read, so that its connection can be kept. */
#define DRAINED_BYTES_MAX 65536

void fill_forget(void *data)
{
    struct fill *fill = data;

    if (--fill->references > 0)
        return;
    arena_clear(&fill->arena);
    free(fill);
}

static bool is_alone(const struct fill *fill)
{
    return fill->events == NULL;
}

void fill_end(struct fill *fill)
{
    assert(fill->step != FILL_ENDED);

    fill->step = FILL_ENDED;
    list_remove(&fill->node);
    fill->cache->background_count -= is_alone(fill);
    http_cache_rest(fill->cache);
    fill_flow_clear(fill);
    object_fill_abort(fill->cache->store, &fill->object);
    fill_give_up_refresh(fill);
    fill->record = *call_record(fill->call);
    http_stream_release(&fill->call);
    cluster_release(&fill->cluster);
    fill->keeper.let_go(fill->keeper.thing);
    fill_forget(fill);
}

void fill_break_off(struct fill *fill)
{
    fill_end(fill);
}

/* Without its client: who reads along is not broken off, however many such fills there are. */
static bool goes_on_alone(const struct fill *fill)
{
    bool is_stored = fill->step == FILL_WRITING || fill->step == FILL_FLOWING;

    if (is_stored && object_flow_is_read(fill->cache->store, &fill->object))
        return true;
    return fill->step != FILL_PASSING && fill->step != FILL_FLOWING &&
           fill_may_be_alone(fill->cache);
}

void fill_leave(struct fill *fill)
{
    if (fill->step == FILL_ENDED || is_alone(fill))
        return;
    bool goes_on = goes_on_alone(fill);

    fill->events = NULL;
    fill->cache->background_count++;
    if (!goes_on)
        fill_end(fill);
}

void fill_drain(struct fill *fill)
{
    if (fill->step == FILL_PASSING)
        fill->step = FILL_DRAINING;
    fill_leave(fill);
}

/* ---- the call's events ---- */

static void on_informational(void *data, struct response *response)
{
    struct fill *fill = data;
    if (fill->step == FILL_ASKING && !is_alone(fill))
        fill->events->on_informational(fill->data, response);
}

static void on_response(void *data, struct response *response)
{
    struct fill *fill = data;
    assert(fill->step == FILL_ASKING);
    fill_take_response(fill, response);
}

static void drain(struct fill *fill, struct slice bytes)
{
    fill->drained += bytes.length;
    if (fill->drained > DRAINED_BYTES_MAX)
        fill_end(fill);
}

/* Nobody may read along; else all go on without the store, as far as they were told. */
static void outgrow(struct fill *fill, struct slice bytes)
{
    if (object_flow_is_read(fill->cache->store, &fill->object)) {
        fill_flow_begin(fill, bytes);
        return;
    }
    fill_uncache(fill, FILL_PASSED_TO_ALL);
    fill_end(fill);
}

static void store_data(struct fill *fill, struct slice bytes)
{
    struct object_store *store = fill->cache->store;

    if (bytes.length > fill->asked.policy->object_bytes_max - fill->object.bytes ||
        object_fill_append(store, &fill->object, bytes, http_cache_ns(fill->cache, 0)) !=
            OBJECT_DONE)
        outgrow(fill, bytes);
    else if (!is_alone(fill))
        fill->events->on_progress(fill->data);
}

/* It went on for the sake of readers who have left, too. */
static bool is_too_many(const struct fill *fill)
{
    return is_alone(fill) && fill->cache->background_count > HTTP_CACHE_BACKGROUND_MAX &&
           !object_flow_is_read(fill->cache->store, &fill->object);
}

static void on_data(void *data, struct slice bytes)
{
    struct fill *fill = data;

    if (fill->step == FILL_WRITING && is_too_many(fill))
        fill_end(fill);
    else if (fill->step == FILL_WRITING)
        store_data(fill, bytes);
    else if (fill->step == FILL_FLOWING)
        fill_flow_data(fill, bytes);
    else if (fill->step == FILL_PASSING)
        fill->events->on_data(fill->data, bytes);
    else
        drain(fill, bytes);
}

static void on_end(void *data)
{
    struct fill *fill = data;
    const struct fill_events *events = fill->events;
    void *client = fill->data;
    enum fill_step step = fill->step;

    if (step == FILL_FLOWING) {
        fill_flow_end(fill);
        return;
    }
    if (step == FILL_WRITING)
        object_fill_complete(fill->cache->store, &fill->object);
    fill->references++; /* the client may leave */
    fill_end(fill);
    if (events != NULL && step == FILL_WRITING)
        events->on_progress(client);
    else if (events != NULL && step == FILL_PASSING)
        events->on_end(client);
    fill_forget(fill);
}

static void log_failure(const struct fill *fill, enum fault fault)
{
    const struct call_record *record = call_record(fill->call);

    log_write(LOG_WARNING, "upstream %.*s, asked for the cache: %s after %u attempts%s%s",
              SLICE_FORMAT(record->target), fault_type(fault), record->attempts,
              record->detail != NULL ? ": " : "", record->detail != NULL ? record->detail : "");
}

static void on_failed(void *data, enum fault fault)
{
    struct fill *fill = data;

    if (is_alone(fill) || fill->step == FILL_DRAINING) {
        if (is_alone(fill))
            log_failure(fill, fault);
        fill_end(fill);
        return;
    }
    fill_fail(fill, fault);
}

static const struct http_stream_events CALL_EVENTS = {
    .on_informational = on_informational,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_failed = on_failed,
};

/* ---- the beginning ---- */

static struct slice copy(struct arena *arena, struct slice text)
{
    return text.start != NULL ? arena_copy(arena, text) : SLICE_NONE;
}

static void copy_fields(struct headers *target, const struct headers *source, struct arena *arena)
{
    headers_copy(target, source, arena);
    for (uint32_t i = 0; i < target->count; i++) {
        struct header *header = &target->items[i];
        if (header->name.start == NULL)
            continue;
        header->name = arena_copy(arena, header->name);
        header->value = arena_copy(arena, header->value);
        header->is_line = false;
    }
}

static struct request *copy_request(const struct request *request, struct arena *arena)
{
    struct request *made = arena_alloc(arena, sizeof(*made));

    *made = *request;
    made->method_name = copy(arena, request->method_name);
    made->target = copy(arena, request->target);
    made->scheme = copy(arena, request->scheme);
    made->authority = copy(arena, request->authority);
    made->host = copy(arena, request->host);
    made->path = copy(arena, request->path);
    made->query = copy(arena, request->query);
    made->upgrade = SLICE_NONE;
    copy_fields(&made->headers, &request->headers, arena);
    made->trailers = (struct headers){0};
    return made;
}

void fill_ask(struct fill *fill)
{
    struct request *request = arena_alloc(&fill->arena, sizeof(*request));

    *request = *fill->outbound;
    headers_copy(&request->headers, &fill->outbound->headers, &fill->arena);
    validation_prepare(&request->headers, fill->has_stored ? &fill->stored : NULL, &fill->arena);
    fill->requested = loop_now(fill->cache->loop);
    fill->call = call_start(fill->cluster, &fill->call_options, &CALL_EVENTS, fill, &fill->arena);
    http_stream_send_request(fill->call, request);
    http_stream_send_end(fill->call, NULL);
}

static void take_right(struct fill *fill, const struct fill_options *options)
{
    assert((options->object != NULL) != (options->refresh != NULL));
    if (options->object != NULL)
        fill->object = *options->object;
    if (options->refresh != NULL)
        fill->refresh = *options->refresh;
    fill->is_refresh = options->refresh != NULL;
    fill->has_stored = options->stored.start != NULL &&
                       stored_head_read(arena_copy(&fill->arena, options->stored), &fill->stored);
}

static void take_request(struct fill *fill, const struct fill_options *options)
{
    struct arena *arena = &fill->arena;

    fill->outbound = copy_request(options->outbound, arena);
    cache_request_read(&fill->asked, options->policy, copy_request(options->request, arena), arena);
    fill->asked.context =
        (struct cache_context){.consumer = copy(arena, options->context.consumer),
                               .upstream = copy(arena, options->context.upstream),
                               .path = copy(arena, options->context.path),
                               .query = copy(arena, options->context.query),
                               .is_authenticated = options->context.is_authenticated};
}

/* Its client's time is not that of those who wait for the same; what is left of the total is told.
 */
static const struct call_deadline *deadline_of(struct fill *fill,
                                               const struct call_deadline *deadline)
{
    if (deadline == NULL)
        return NULL;
    struct call_deadline *own = arena_alloc(&fill->arena, sizeof(*own));
    *own = *deadline;
    own->at = 0;
    return own;
}

struct fill *fill_start(const struct fill_options *options)
{
    struct fill *fill = mem_zeroed(sizeof(*fill));

    arena_init(&fill->arena);
    fill->cache = options->cache;
    fill->references = 2;
    fill->keeper = options->keeper;
    fill->cluster = cluster_acquire(options->cluster);
    fill->call_options = *options->call;
    fill->call_options.deadline = deadline_of(fill, options->call->deadline);
    fill->key =
        (struct object_key){arena_copy(&fill->arena, options->key.bytes), options->key.url_at};
    fill->claim = options->claim;
    fill->rules = copy(&fill->arena, options->rules);
    fill->events = options->events;
    fill->data = options->data;
    fill->cache->background_count += is_alone(fill);
    list_push_back(&fill->cache->fills, &fill->node);
    fill->keeper.hold(fill->keeper.thing);
    take_right(fill, options);
    take_request(fill, options);
    fill_ask(fill);
    return fill;
}
