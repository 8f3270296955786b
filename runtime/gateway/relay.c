/*
 * relay — moves bodies between an exchange's two streams at the slower one's pace.
 *
 * What one stream brings goes to the other in the same event; when that says it is full, the first
 * is paused until it has room again. Holds nothing itself.
 */
#include "gateway/exchange_private.h"

#include <assert.h>

#include "base/log.h"
#include "gateway/gateway.h"
#include "gateway/gateway_totals.h"
#include "shm/series.h"

/* Hands over as much of `*body` as the stream takes; true when nothing is left. */
static bool pump(struct http_stream *stream, struct slice *body)
{
    bool may_go_on = true;
    while (body->length > 0 && may_go_on) {
        size_t length = body->length < RELAY_PIECE_BYTES ? body->length : RELAY_PIECE_BYTES;
        may_go_on = http_stream_send_data(stream, slice_of(body->start, length));
        *body = slice_after(*body, length);
    }
    return body->length == 0;
}

void relay_pump_request_body(struct exchange *exchange)
{
    struct exchange_private *private = &exchange->private;
    if (!pump(exchange->upstream, &private->request_body))
        return;
    private->has_request_body = false;
    http_stream_send_end(exchange->upstream, NULL);
}

void relay_pump_response_body(struct exchange *exchange)
{
    struct exchange_private *private = &exchange->private;
    size_t before = private->response_body.length;
    bool is_done = pump(exchange->downstream, &private->response_body);

    exchange->response_body_bytes += before - private->response_body.length;
    if (!is_done)
        return;
    private->has_response_body = false;
    if (private->is_large_chunk) {
        private->is_large_chunk = false;
        buffer_clear(&private->collection.buffer);
        exchange_chunk_sent(exchange, true);
        return;
    }
    private->response_complete = true;
    http_stream_send_end(exchange->downstream, NULL);
}

/* What the client does not take at once is held here, as the output's queue is no place for it. */
void relay_send_large_chunk(struct exchange *exchange, struct slice chunk)
{
    struct exchange_private *private = &exchange->private;
    struct buffer *held = &private->collection.buffer; /* bodies are not collected any more */

    assert(held->data == NULL);
    buffer_init(held, chunk.length, NULL);
    bool fits = buffer_append(held, chunk);
    assert(fits);
    (void)fits;
    private->response_body = buffer_slice(held);
    private->has_response_body = private->is_large_chunk = true;
    relay_pump_response_body(exchange);
}

static void ask_about_chunk(struct exchange *exchange, struct slice bytes, bool last)
{
    exchange->private.is_chunk_pending = true;
    exchange->private.is_last_chunk = last;
    gateway_phases(exchange->gateway)->response_chunk(exchange, bytes, last);
}

static bool has_chunk_phase(const struct exchange *exchange)
{
    return (exchange->phases & ROUTE_RESPONSE_CHUNK) != 0 && !exchange->is_gateway_made;
}

void relay_response_data(struct exchange *exchange, struct slice bytes)
{
    if (has_chunk_phase(exchange)) {
        http_stream_pause(exchange->upstream);
        ask_about_chunk(exchange, bytes, false);
        return;
    }
    exchange->response_body_bytes += bytes.length;
    if (!http_stream_send_data(exchange->downstream, bytes))
        http_stream_pause(exchange->upstream);
}

void relay_response_end(struct exchange *exchange)
{
    if (has_chunk_phase(exchange))
        ask_about_chunk(exchange, SLICE_NONE, true);
    else
        http_stream_send_end(exchange->downstream, &exchange->response->trailers);
}

/* A collected body is one chunk, where a policy wants to see chunks. */
void relay_begin_response_body(struct exchange *exchange)
{
    struct exchange_private *private = &exchange->private;

    if (!has_chunk_phase(exchange) || exchange->response->body == BODY_NONE) {
        relay_pump_response_body(exchange);
        return;
    }
    private->has_response_body = false;
    private->is_whole_chunk = true;
    ask_about_chunk(exchange, private->response_body, false);
}

static void on_request(void *data, struct request *request)
{
    struct exchange *exchange = data;
    series_add(gateway_totals_of(exchange->gateway)->requests, 1);
    exchange->request = request;
    exchange_decide(exchange);
}

static COLD void on_refused(void *data, enum fault fault, uint64_t offset)
{
    struct exchange *exchange = data;
    bool is_request = exchange->request != NULL;

    series_add(gateway_totals_of(exchange->gateway)->malformed, 1);
    log_write_request(LOG_INFO, exchange_id(exchange), "refused: %s at byte %llu, from %.*s",
                      fault_type(fault), (unsigned long long)offset,
                      SLICE_FORMAT(exchange->client_host));
    if (exchange->private.is_head_sent)
        exchange_break_off(exchange, fault);
    else if (exchange->private.collection.is_active && exchange->step == EXCHANGE_DECIDING)
        exchange_answer_fault(exchange, fault, true);
    else
        exchange_answer_fault(exchange, fault, is_request);
}

static void on_request_data(void *data, struct slice bytes)
{
    struct exchange *exchange = data;
    struct exchange_private *private = &exchange->private;

    exchange->request_body_bytes += bytes.length;
    if (private->collection.is_active) {
        body_collection_data(exchange, bytes);
        return;
    }
    if (private->is_discarding || exchange->upstream == NULL)
        return;
    if (exchange->step != EXCHANGE_TUNNEL &&
        exchange->request_body_bytes > exchange->body_bytes_max) {
        if (private->is_head_sent)
            exchange_break_off(exchange, FAULT_REQUEST_BODY_TOO_LARGE);
        else
            exchange_answer_fault(exchange, FAULT_REQUEST_BODY_TOO_LARGE, true);
        return;
    }
    if (!http_stream_send_data(exchange->upstream, bytes))
        http_stream_pause(exchange->downstream);
}

/* A side may say more than once that it has ended. */
static void end_tunnel_side(struct exchange *exchange, bool *is_ended, struct http_stream *other)
{
    if (*is_ended)
        return;
    *is_ended = true;
    if (exchange->private.is_tunnel_sent)
        exchange_finish(exchange);
    else if (other != NULL)
        http_stream_send_end(other, NULL);
}

static void on_request_end(void *data)
{
    struct exchange *exchange = data;
    struct exchange_private *private = &exchange->private;

    if (exchange->step == EXCHANGE_TUNNEL) {
        end_tunnel_side(exchange, &private->is_tunnel_down_ended, exchange->upstream);
        return;
    }
    bool was_complete = private->request_complete;
    private->request_complete = true;
    if (private->collection.is_active && private->collection.fault == FAULT_NONE)
        body_collection_end(exchange, FAULT_NONE);
    else if (!was_complete && !private->is_discarding && exchange->upstream != NULL)
        http_stream_send_end(exchange->upstream, &exchange->request->trailers);
}

static void on_response_room(void *data)
{
    struct exchange *exchange = data;

    if (exchange->private.is_chunk_pending)
        return;
    if (exchange->private.has_response_body && exchange->private.is_head_sent)
        relay_pump_response_body(exchange);
    else if (exchange->upstream != NULL)
        http_stream_resume(exchange->upstream);
}

static void on_response_sent(void *data)
{
    struct exchange *exchange = data;

    exchange->private.is_tunnel_sent = exchange->step == EXCHANGE_TUNNEL;
    if (exchange->private.is_tunnel_sent && !exchange->private.is_tunnel_down_ended)
        return; /* our half is closed, the client's is not */
    exchange_finish(exchange);
}

static COLD void on_client_failed(void *data, enum fault fault)
{
    struct exchange *exchange = data;

    if (exchange->step == EXCHANGE_TUNNEL)
        exchange_finish(exchange);
    else
        exchange_break_off(exchange, fault);
}

static void on_informational(void *data, struct response *response)
{
    struct exchange *exchange = data;
    if (exchange->step != EXCHANGE_FORWARDING)
        return;
    headers_remove_hop_by_hop(&response->headers);
    http_stream_send_response(exchange->downstream, response);
}

static void on_response(void *data, struct response *response)
{
    exchange_on_response(data, response);
}

static void on_response_data(void *data, struct slice bytes)
{
    struct exchange *exchange = data;

    if (exchange->private.collection.is_active) {
        body_collection_data(exchange, bytes);
    } else if (exchange->step == EXCHANGE_TUNNEL) {
        exchange->response_body_bytes += bytes.length;
        if (!http_stream_send_data(exchange->downstream, bytes))
            http_stream_pause(exchange->upstream);
    } else {
        relay_response_data(exchange, bytes);
    }
}

static void on_response_end(void *data)
{
    struct exchange *exchange = data;

    if (exchange->step == EXCHANGE_TUNNEL) {
        end_tunnel_side(exchange, &exchange->private.is_tunnel_up_ended, exchange->downstream);
        return;
    }
    exchange->private.response_complete = true;
    if (exchange->private.collection.is_active)
        body_collection_end(exchange, FAULT_NONE);
    else
        relay_response_end(exchange);
}

static void on_request_room(void *data)
{
    struct exchange *exchange = data;

    if (exchange->private.has_request_body)
        relay_pump_request_body(exchange);
    else
        http_stream_resume(exchange->downstream);
}

static COLD void log_upstream_failure(struct exchange *exchange, enum fault fault)
{
    const struct call_record *record = exchange_call_record(exchange);

    log_write_request(LOG_WARNING, exchange_id(exchange), "upstream %.*s: %s after %u attempts%s%s",
                      SLICE_FORMAT(record->target), fault_type(fault), record->attempts,
                      record->detail != NULL ? ": " : "",
                      record->detail != NULL ? record->detail : "");
}

static COLD void on_upstream_failed(void *data, enum fault fault)
{
    struct exchange *exchange = data;

    if (fault != FAULT_NOT_CACHED)
        log_upstream_failure(exchange, fault);
    exchange_drop_upstream(exchange);
    if (exchange->step == EXCHANGE_TUNNEL) {
        exchange_finish(exchange);
    } else if (exchange->private.collection.is_active) {
        body_collection_end(exchange, fault);
    } else if (exchange->step == EXCHANGE_FORWARDING) {
        exchange_answer_fault(exchange, fault, true);
    } else if (exchange_is_waiting(exchange)) {
        exchange->fault = fault; /* broken off when the phase has answered */
        exchange->private.is_upstream_failed = true;
    } else {
        exchange_break_off(exchange, fault);
    }
}

const struct http_stream_events RELAY_DOWNSTREAM_EVENTS = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_data = on_request_data,
    .on_end = on_request_end,
    .on_writable = on_response_room,
    .on_sent = on_response_sent,
    .on_failed = on_client_failed,
};

const struct http_stream_events RELAY_UPSTREAM_EVENTS = {
    .on_informational = on_informational,
    .on_response = on_response,
    .on_data = on_response_data,
    .on_end = on_response_end,
    .on_writable = on_request_room,
    .on_failed = on_upstream_failed,
};
