/*
 * cached_call — the user's side: the request is taken, and let go of.
 */
#include "cache/cached_call.h"

#include <assert.h>

#include "base/mem.h"
#include "cache/cache_counters.h"
#include "cache/cache_key.h"
#include "cache/cached_call_state.h"
#include "cache/cached_tee.h"
#include "shm/object_flow.h"

static struct cached_call *call_of(struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct cached_call, stream);
}

void cached_call_let_go(struct cached_call *call)
{
    object_store_wait_cancel(&call->wait);
    if (call->is_held && call->is_flowing)
        object_flow_leave(cached_store(call), &call->object);
    else if (call->is_held)
        object_store_release(cached_store(call), &call->object);
    call->is_held = call->has_head = call->is_flowing = false;
}

void cached_call_wake(struct cached_call *call)
{
    loop_defer(cached_loop(call), &call->deferred);
}

void cached_call_fail(struct cached_call *call, enum fault fault)
{
    call->step = CACHED_OVER;
    call->fault = fault;
    cached_call_wake(call);
}

void cached_call_add_status(struct cached_call *call, struct response *response)
{
    const struct cache_policy *policy = call->options.policy;
    const struct counter_table *counters = call->options.cache->counters;

    cache_policy_hide(policy, response);
    cache_status_add(&call->status, policy, response, call->stream.arena);
    if (counters != NULL && policy->counters != NULL)
        cache_counters_answer(policy->counters, counters, &call->status, response);
}

static void on_deferred(struct loop_deferred *item)
{
    struct cached_call *call = CONTAINER_OF(item, struct cached_call, deferred);

    if (call->step == CACHED_OVER && call->fault != FAULT_NONE)
        call->stream.events->on_failed(call->stream.data, call->fault);
    else if (call->step == CACHED_ANSWERING)
        cached_answer_go_on(call);
}

static void send_request(struct http_stream *stream, const struct request *request)
{
    struct cached_call *call = call_of(stream);
    struct cache_request *asked = &call->asked;

    call->request = request;
    cache_request_read(asked, call->options.policy, request, stream->arena);
    asked->context = call->options.context;
    if (asked->way != CACHE_WAY_LOOKUP) {
        cached_call_pass(call, cache_request_forward(asked));
        return;
    }
    const struct cache_key key = cache_key_make(asked, stream->arena);
    if (key.text.start == NULL) {
        cached_call_pass(call, CACHE_FORWARD_BYPASS);
        return;
    }
    call->key = (struct object_key){key.text, key.uri_at};
    call->status.key = slice_after(key.text, key.uri_at);
    cached_call_look_up(call);
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    struct cached_call *call = call_of(stream);
    return call->inner == NULL || http_stream_send_data(call->inner, bytes);
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct cached_call *call = call_of(stream);

    call->is_ended = true;
    if (call->inner != NULL)
        http_stream_send_end(call->inner, trailers);
}

static struct http_stream *source_of(const struct cached_call *call)
{
    if (call->step == CACHED_PASSING)
        return call->inner;
    return call->step == CACHED_FILL_PASSING ? call->fill->call : NULL;
}

static void pause_stream(struct http_stream *stream)
{
    struct cached_call *call = call_of(stream);
    struct http_stream *source = source_of(call);

    call->is_paused = true;
    if (source != NULL)
        http_stream_pause(source);
}

static void resume_stream(struct http_stream *stream)
{
    struct cached_call *call = call_of(stream);
    struct http_stream *source = source_of(call);

    if (!call->is_paused)
        return;
    call->is_paused = false;
    if (source != NULL)
        http_stream_resume(source);
    else if (call->step == CACHED_ANSWERING)
        cached_call_wake(call);
}

static void release(struct http_stream *stream)
{
    struct cached_call *call = call_of(stream);

    if (call->options.cache->told == call)
        call->options.cache->told = NULL;
    call->record = *cached_call_record(stream);
    call->has_record = true;
    call->step = CACHED_OVER;
    list_remove(&call->deferred.node);
    cached_call_let_go(call);
    cached_call_let_go_of_marker(call);
    if (call->fill != NULL)
        fill_leave(call->fill);
    if (call->is_teeing)
        cached_tee_drop(call);
    if (call->inner != NULL)
        http_stream_release(&call->inner);
}

static const struct http_stream_codec CODEC = {
    .send_request = send_request,
    .send_data = send_data,
    .send_end = send_end,
    .pause = pause_stream,
    .resume = resume_stream,
    .release = release,
};

struct http_stream *cached_call_start(const struct cached_call_options *options,
                                      const struct http_stream_events *events, void *data,
                                      struct arena *arena)
{
    struct cached_call *call = arena_zeroed(arena, sizeof(*call));

    call->stream = (struct http_stream){&CODEC, events, data, arena};
    call->options = *options;
    call->started = cached_now(call);
    call->record.started = call->started;
    call->deferred.run = on_deferred;
    list_init(&call->deferred.node);
    list_init(&call->wait.node);
    call->wait.ready = cached_lookup_on_ready;
    return &call->stream;
}

const struct call_record *cached_call_record(const struct http_stream *stream)
{
    const struct cached_call *call = CONTAINER_OF(stream, struct cached_call, stream);

    if (call->inner != NULL)
        return call_record(call->inner);
    if (call->fill == NULL || call->has_record)
        return &call->record;
    return call->fill->call != NULL ? call_record(call->fill->call) : &call->fill->record;
}

const struct cache_status *cached_call_status(const struct http_stream *stream)
{
    return &CONTAINER_OF(stream, struct cached_call, stream)->status;
}
