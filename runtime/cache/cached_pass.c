/*
 * cached_pass — answers that pass: of a call without the cache, and of a fill that tells us.
 */
#include "cache/cache_key.h"
#include "cache/cached_tee.h"
#include "cache/invalidation.h"
#include "cache/object_head.h"
#include "cache/validation.h"
#include "shm/object_purge.h"

static void tell_informational(struct cached_call *call, struct response *response)
{
    if (call->stream.events->on_informational != NULL)
        call->stream.events->on_informational(call->stream.data, response);
}

static void tell_response(struct cached_call *call, struct response *response)
{
    call->status.forward_status = response->status;
    cached_call_add_status(call, response);
    call->stream.events->on_response(call->stream.data, response);
}

/* ---- a call without the cache ---- */

/* Written through: whatever is stored of it is of before. */
static void invalidate(struct cached_call *call, const struct response *response)
{
    struct slice uris[INVALIDATION_URIS_MAX];
    unsigned count = invalidation_uris(&call->asked, response, call->stream.arena, uris);

    for (unsigned i = 0; i < count; i++) {
        object_purge_key(cached_store(call), &(struct object_key){.bytes = uris[i]},
                         OBJECT_PURGE_HARD);
        if (call->options.policy->has_wider_keys)
            object_purge_tag(cached_store(call), cache_key_uri_tag(uris[i], call->stream.arena),
                             OBJECT_PURGE_HARD);
    }
}

/* The answer to a HEAD tells whether what is stored for GET is what it was (RFC 9111, 4.3.5). */
static void learn_of_head(struct cached_call *call, const struct response *response)
{
    struct object_store *store = cached_store(call);
    struct cache_request asked = call->asked;
    const struct object_head_source source = {.asked = &asked,
                                              .key = &call->key,
                                              .response = response,
                                              .times = {call->started, cached_now(call)},
                                              .arena = call->stream.arena};
    struct object_progress progress;
    struct object_refresh refresh;

    asked.may_store = true; /* what is stored is of a GET */
    object_store_progress(store, &call->object, &progress);
    if (progress.state != OBJECT_IS_COMPLETE ||
        !object_fill_refresh(store, &call->object, &refresh))
        return;
    if (validation_agrees(&call->head, progress.bytes, response)) {
        object_head_freshen(call->options.cache, &source, &call->head, &refresh);
    } else {
        object_fill_refresh_give_up(store, &refresh);
        object_purge_key(store, &call->key, OBJECT_PURGE_SOFT);
    }
}

static bool is_head_of_stored(const struct cached_call *call, const struct response *response)
{
    return call->request->method == METHOD_HEAD && call->is_held && call->has_head &&
           response->status == 200 && !cache_control_has(&call->asked.control, CACHE_NO_STORE);
}

static void on_informational(void *data, struct response *response)
{
    tell_informational(data, response);
}

static void on_response(void *data, struct response *response)
{
    struct cached_call *call = data;

    if (is_head_of_stored(call, response))
        learn_of_head(call, response);
    else if (response->status != 101)
        invalidate(call, response);
    if (call->request->method == METHOD_POST && call->asked.may_store)
        cached_tee_begin(call, response);
    tell_response(call, response);
}

static void on_data(void *data, struct slice bytes)
{
    struct cached_call *call = data;
    if (call->is_teeing)
        cached_tee_data(call, bytes);
    call->stream.events->on_data(call->stream.data, bytes);
}

static void on_end(void *data)
{
    struct cached_call *call = data;
    if (call->is_teeing)
        cached_tee_end(call);
    call->stream.events->on_end(call->stream.data);
}

static void on_writable(void *data)
{
    struct cached_call *call = data;
    if (call->stream.events->on_writable != NULL)
        call->stream.events->on_writable(call->stream.data);
}

static void on_failed(void *data, enum fault fault)
{
    struct cached_call *call = data;
    call->stream.events->on_failed(call->stream.data, fault);
}

static const struct http_stream_events INNER_EVENTS = {
    .on_informational = on_informational,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

void cached_call_pass(struct cached_call *call, enum cache_forward forward)
{
    const struct cached_call_options *options = &call->options;

    call->step = CACHED_PASSING;
    call->status.forward = forward;
    call->inner =
        call_start(options->cluster, options->call, &INNER_EVENTS, call, call->stream.arena);
    if (call->is_paused)
        http_stream_pause(call->inner);
    http_stream_send_request(call->inner, options->outbound(call->stream.data));
    if (call->is_ended)
        http_stream_send_end(call->inner, NULL);
}

/* ---- a fill ---- */

static void on_fill_informational(void *data, struct response *response)
{
    tell_informational(data, response);
}

static void on_stored(void *data, struct response *response)
{
    struct cached_call *call = data;

    cached_call_let_go(call);
    call->is_held = object_fill_hold(cached_store(call), &call->fill->object, &call->object);
    if (!call->is_held || !cached_call_read_head(call)) {
        cached_call_fail(call, FAULT_OVERLOADED);
        return;
    }
    call->status.forward_status = response->status;
    call->status.is_stored = true;
    cached_answer_begin(call, response);
}

static void on_progress(void *data)
{
    struct cached_call *call = data;
    if (call->step == CACHED_ANSWERING && call->is_head_told)
        cached_answer_go_on(call);
}

static void on_confirmed(void *data)
{
    struct cached_call *call = data;

    call->status.forward_status = 304;
    call->status.is_stored = true;
    if (cached_call_read_head(call))
        cached_answer_begin(call, NULL);
    else
        cached_call_fail(call, FAULT_NOT_VALIDATED);
}

static void on_stale(void *data)
{
    struct cached_call *call = data;
    cached_answer_begin(call, NULL);
}

/* The answer to conditions of which the upstream was not told. */
static void answer_not_modified(struct cached_call *call, const struct response *response)
{
    struct response *made = arena_alloc(call->stream.arena, sizeof(*made));

    *made = *response;
    made->status = 304;
    made->reason = status_reason(304);
    made->body = BODY_NONE;
    call->response = made;
    call->status.forward_status = response->status;
    cached_call_add_status(call, made);
    call->answer.part_count = 0;
    call->step = CACHED_ANSWERING;
    cached_call_wake(call);
    fill_drain(call->fill);
}

static void on_passed(void *data, struct response *response)
{
    struct cached_call *call = data;

    call->status.detail = call->fill->why;
    if (stored_answer_is_unmodified(&call->asked, response, cached_now(call))) {
        answer_not_modified(call, response);
        return;
    }
    if (call->asked.range.start != NULL && response->status == 200) {
        /* All of it was asked for to be stored, and is not. */
        fill_drain(call->fill);
        cached_call_pass(call, call->status.forward);
        return;
    }
    call->step = CACHED_FILL_PASSING;
    tell_response(call, response);
}

const struct fill_events CACHED_FILL_EVENTS = {
    .on_informational = on_fill_informational,
    .on_stored = on_stored,
    .on_progress = on_progress,
    .on_confirmed = on_confirmed,
    .on_stale = on_stale,
    .on_passed = on_passed,
    .on_data = on_data,
    .on_end = on_end,
    .on_failed = on_failed,
};
