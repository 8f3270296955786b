/*
 * exchange — the steps of one request with its response.
 *
 * RECEIVING, DECIDING, then FORWARDING or not, RESPONDING, SENDING (or TUNNEL), ENDED. Every change
 * of `step` is in this file. What comes from the streams is relay.c's.
 */
#include "gateway/exchange_private.h"

#include <assert.h>

#include "base/log.h"
#include "base/mem.h"
#include "cache/cached_call.h"
#include "gateway/exchange_deadline.h"
#include "gateway/gateway.h"
#include "gateway/problem.h"

static double now(const struct exchange *exchange)
{
    return loop_now(gateway_loop(exchange->gateway));
}

static const struct phases *phases_of(const struct exchange *exchange)
{
    return gateway_phases(exchange->gateway);
}

static void on_deferred(struct loop_deferred *item)
{
    struct exchange *exchange = CONTAINER_OF(item, struct exchange, private.deferred);
    body_collection_end(exchange, exchange->private.collection.fault);
}

void exchange_begin(struct gateway *gateway, struct downstream *connection,
                    struct http_stream *stream)
{
    struct exchange *exchange = gateway_exchange_take(gateway);
    assert(exchange->step == EXCHANGE_IDLE);

    exchange->step = EXCHANGE_RECEIVING;
    exchange->connection = connection;
    exchange->downstream = stream;
    exchange->private.deferred.run = on_deferred;
    list_init(&exchange->private.deferred.node);
    exchange->started = now(exchange);
    exchange->client_host = downstream_client(connection);
    exchange->body_bytes_max = gateway_options(gateway)->body_bytes_max;
    stream->events = &RELAY_DOWNSTREAM_EVENTS;
    stream->data = exchange;
    stream->arena = &exchange->arena;
    phases_of(exchange)->acquire(exchange);
}

bool exchange_is_waiting(const struct exchange *exchange)
{
    return exchange->step == EXCHANGE_DECIDING || exchange->step == EXCHANGE_RESPONDING ||
           exchange->private.is_chunk_pending;
}

void exchange_decide(struct exchange *exchange)
{
    assert(exchange->step == EXCHANGE_RECEIVING);

    exchange->step = EXCHANGE_DECIDING;
    /* Before policies add fields: a client may not nominate those away. */
    headers_remove_hop_by_hop(&exchange->request->headers);
    enum fault fault = outbound_inspect(exchange);
    if (exchange->request->body != BODY_NONE)
        http_stream_pause(exchange->downstream);
    else
        exchange->private.request_complete = true;
    if (fault != FAULT_NONE)
        exchange_fail(exchange, fault);
    else if (outbound_ends_here(exchange))
        exchange_reply(exchange, &(struct reply){.status = 204});
    else
        phases_of(exchange)->request(exchange);
}

static struct request *outbound_of(void *data)
{
    return outbound_request(data);
}

/* What tells this request's answers from others of the same URI: what a policy has chosen. */
static struct cache_context context_of(const struct exchange *exchange)
{
    return (struct cache_context){
        .consumer = exchange->cache_consumer,
        .path = exchange->forward_path,
        .query = exchange->forward_query,
        .upstream = exchange->is_rerouted ? cluster_name(exchange->cluster) : SLICE_NONE,
        .is_authenticated = exchange->is_authenticated,
    };
}

/* The cache asks the upstream only where it has to, and with what it makes of the request. */
static OUT_OF_LINE void begin_cached_call(struct exchange *exchange, struct http_cache *cache)
{
    const struct phases *phases = phases_of(exchange);
    const struct cached_call_options options = {
        .cache = cache,
        .policy = exchange->cache,
        .keeper = {exchange->generation, phases->hold, phases->let_go},
        .cluster = exchange->cluster,
        .call = &exchange->call,
        .context = context_of(exchange),
        .outbound = outbound_of,
    };

    exchange->upstream =
        cached_call_start(&options, &RELAY_UPSTREAM_EVENTS, exchange, &exchange->arena);
    exchange->cached = exchange->upstream;
    http_stream_send_request(exchange->upstream, exchange->request);
}

static void begin_call(struct exchange *exchange)
{
    struct http_cache *cache = exchange->cache != NULL ? gateway_cache(exchange->gateway) : NULL;

    if (cache != NULL) {
        begin_cached_call(exchange, cache);
        return;
    }
    struct request *outbound = outbound_request(exchange);
    exchange->upstream = call_start(exchange->cluster, &exchange->call, &RELAY_UPSTREAM_EVENTS,
                                    exchange, &exchange->arena);
    http_stream_send_request(exchange->upstream, outbound);
}

void exchange_forward(struct exchange *exchange)
{
    struct exchange_private *private = &exchange->private;
    const struct request *request = exchange->request;
    assert(exchange->step == EXCHANGE_DECIDING);

    if (exchange->cluster == NULL) {
        exchange_fail(exchange, FAULT_INTERNAL);
        return;
    }
    if (request->body == BODY_LENGTH && request->content_length > exchange->body_bytes_max &&
        !private->has_request_body) {
        exchange_fail(exchange, FAULT_REQUEST_BODY_TOO_LARGE);
        return;
    }
    if (exchange_deadline_has_ended(exchange)) {
        exchange_fail(exchange, FAULT_DEADLINE_ENDED);
        return;
    }
    exchange->step = EXCHANGE_FORWARDING;
    begin_call(exchange);
    if (private->has_request_body)
        relay_pump_request_body(exchange);
    else if (private->request_complete)
        http_stream_send_end(exchange->upstream, NULL);
    else
        http_stream_resume(exchange->downstream);
}

static void add_field_of_reply(struct headers *headers, struct arena *arena,
                               const struct header *field)
{
    if (field->name.start == NULL)
        return;
    if (field->id != HEADER_OTHER)
        headers_add_field(headers, arena, field);
    else
        headers_add(headers, arena, field->name, field->value);
}

static struct response *response_of_reply(struct exchange *exchange, const struct reply *reply)
{
    struct arena *arena = &exchange->arena;
    struct response *response = arena_zeroed(arena, sizeof(*response));

    response->status = reply->status;
    response->reason = status_reason(reply->status);
    response->minor_version = 1;
    for (size_t i = 0; i < reply->header_count; i++)
        add_field_of_reply(&response->headers, arena, &reply->headers[i]);
    bool has_body = !status_has_no_body(reply->status);
    response->body = has_body ? BODY_LENGTH : BODY_NONE;
    response->content_length = has_body ? reply->body.length : MESSAGE_LENGTH_UNKNOWN;
    exchange->private.response_body = has_body ? reply->body : SLICE_NONE;
    exchange->private.has_response_body = true;
    return response;
}

const struct call_record *exchange_call_record(const struct exchange *exchange)
{
    if (exchange->upstream == NULL)
        return &exchange->record;
    return exchange->cached != NULL ? cached_call_record(exchange->upstream)
                                    : call_record(exchange->upstream);
}

void exchange_drop_upstream(struct exchange *exchange)
{
    if (exchange->upstream == NULL)
        return;
    exchange->record = *exchange_call_record(exchange);
    http_stream_release(&exchange->upstream);
}

void exchange_replace_response(struct exchange *exchange, const struct reply *reply)
{
    assert(exchange->step == EXCHANGE_RESPONDING);
    exchange_drop_upstream(exchange);
    exchange->is_gateway_made = true;
    exchange->response = response_of_reply(exchange, reply);
    if (exchange->cached != NULL)
        cache_status_add(cached_call_status(exchange->cached), exchange->cache, exchange->response,
                         &exchange->arena);
}

/* Whether the response is to wait for its phase. */
static bool has_response_phase(struct exchange *exchange)
{
    const struct phases *phases = phases_of(exchange);

    if ((exchange->phases & (ROUTE_RESPONSE | ROUTE_RESPONSE_BODY)) == 0)
        return false;
    return phases->edit == NULL || !phases->edit(exchange);
}

static void respond_with(struct exchange *exchange, const struct reply *reply, bool asks_policies)
{
    exchange->step = EXCHANGE_RESPONDING;
    exchange->private.is_discarding = true;
    exchange_replace_response(exchange, reply);
    if (asks_policies && has_response_phase(exchange))
        phases_of(exchange)->response(exchange);
    else
        exchange_respond(exchange);
}

void exchange_reply(struct exchange *exchange, const struct reply *reply)
{
    assert(exchange->step == EXCHANGE_DECIDING || exchange->step == EXCHANGE_RESPONDING);
    respond_with(exchange, reply, exchange->step == EXCHANGE_DECIDING);
}

void exchange_fail(struct exchange *exchange, enum fault fault)
{
    exchange->fault = fault;
    struct reply reply = problem_reply_of_fault(exchange, fault);
    exchange_reply(exchange, &reply);
}

void exchange_answer_fault(struct exchange *exchange, enum fault fault, bool asks_policies)
{
    assert(!exchange->private.is_head_sent);
    if (exchange_is_waiting(exchange))
        phases_of(exchange)->cancel(exchange);
    body_collection_drop(exchange);
    exchange->fault = fault;
    exchange_drop_upstream(exchange);
    struct reply reply = problem_reply_of_fault(exchange, fault);
    respond_with(exchange, &reply, asks_policies);
}

/* An upgraded connection: opaque from here on, both ways. */
static OUT_OF_LINE void switch_protocols(struct exchange *exchange)
{
    exchange->step = EXCHANGE_TUNNEL;
    exchange->responded = now(exchange);
    exchange->private.is_head_sent = true;
    exchange->private.is_discarding = false;
    http_stream_send_response(exchange->downstream, exchange->response);
    http_stream_resume(exchange->downstream);
}

void exchange_on_response(struct exchange *exchange, struct response *response)
{
    assert(exchange->step == EXCHANGE_FORWARDING);

    exchange->response = response;
    headers_remove_hop_by_hop(&response->headers);
    if (response->status == 101) {
        switch_protocols(exchange);
        return;
    }
    if ((exchange->phases & ROUTE_RESPONSE_CHUNK) != 0 && response->body != BODY_NONE) {
        response->body = BODY_STREAMED; /* plugins may change its length */
        response->content_length = MESSAGE_LENGTH_UNKNOWN;
        headers_remove_known(&response->headers, HEADER_CONTENT_LENGTH);
    }
    exchange->step = EXCHANGE_RESPONDING;
    if (has_response_phase(exchange)) {
        http_stream_pause(exchange->upstream);
        phases_of(exchange)->response(exchange);
    } else {
        exchange_respond(exchange);
    }
}

void exchange_respond(struct exchange *exchange)
{
    struct exchange_private *private = &exchange->private;
    assert(exchange->step == EXCHANGE_RESPONDING && exchange->response != NULL);

    exchange->step = EXCHANGE_SENDING;
    exchange->responded = now(exchange);
    private->is_head_sent = true;
    gateway_add_date(exchange->gateway, exchange->response, &exchange->arena);
    http_stream_send_response(exchange->downstream, exchange->response);
    if (private->has_response_body)
        relay_begin_response_body(exchange);
    else if (private->is_upstream_failed)
        exchange_break_off(exchange, exchange->fault);
    else
        http_stream_resume(exchange->upstream);
}

void exchange_chunk_done(struct exchange *exchange, struct slice replacement)
{
    struct exchange_private *private = &exchange->private;
    assert(private->is_chunk_pending);

    private->is_chunk_pending = false;
    if (replacement.length > RELAY_PIECE_BYTES) {
        relay_send_large_chunk(exchange, replacement);
        return;
    }
    exchange->response_body_bytes += replacement.length;
    exchange_chunk_sent(exchange, http_stream_send_data(exchange->downstream, replacement));
}

void exchange_chunk_sent(struct exchange *exchange, bool may_go_on)
{
    if (exchange->private.is_last_chunk)
        http_stream_send_end(exchange->downstream, NULL);
    else if (exchange->private.is_whole_chunk)
        relay_response_end(exchange);
    else if (exchange->upstream != NULL && may_go_on)
        http_stream_resume(exchange->upstream);
    else if (exchange->private.is_upstream_failed)
        exchange_break_off(exchange, exchange->fault);
}

void exchange_break_off(struct exchange *exchange, enum fault fault)
{
    if (exchange_is_waiting(exchange))
        phases_of(exchange)->cancel(exchange);
    exchange->fault = fault;
    exchange->is_aborted = true;
    exchange_finish(exchange);
}

void exchange_abort(struct exchange *exchange, enum fault fault)
{
    assert(exchange->private.is_head_sent);
    exchange->private.is_chunk_pending = false; /* this is its answer */
    exchange_break_off(exchange, fault);
}

void exchange_finish(struct exchange *exchange)
{
    assert(exchange->step != EXCHANGE_IDLE && exchange->step != EXCHANGE_ENDED);

    exchange->step = EXCHANGE_ENDED;
    exchange->ended = now(exchange);
    list_remove(&exchange->private.deferred.node);
    exchange_deadline_end(exchange);
    exchange_drop_upstream(exchange);
    if ((exchange->phases & ROUTE_LOG) != 0)
        phases_of(exchange)->log(exchange);
    struct http_stream *downstream = exchange->downstream;
    exchange->downstream = NULL;
    exchange->connection = NULL;
    phases_of(exchange)->release(exchange);
    if (exchange->private.collection.buffer.data != NULL)
        buffer_clear(&exchange->private.collection.buffer);
    gateway_exchange_give(exchange->gateway, exchange);
    http_stream_release(&downstream);
}

struct slice exchange_id(struct exchange *exchange)
{
    if (exchange->id.length > 0)
        return exchange->id;
    char *text = arena_alloc(&exchange->arena, REQUEST_ID_TEXT_BYTES);
    request_ids_next(gateway_request_ids(exchange->gateway), text);
    exchange->id = slice_of(text, REQUEST_ID_TEXT_BYTES);
    return exchange->id;
}
