/*
 * body_collection — a whole body in memory, for policies that cannot work on a stream.
 *
 * Always bounded by what the policy said; the client is told to go on (100 Continue) where it waits
 * for that. The answer is given from the loop, never from inside the call that asked.
 */
#include <assert.h>

#include "gateway/exchange_private.h"
#include "gateway/gateway.h"

static void begin(struct exchange *exchange, uint64_t bytes_max,
                  void (*collected)(void *data, enum fault fault, struct slice body), void *data)
{
    struct collection *collection = &exchange->private.collection;
    assert(!collection->is_active);

    size_t max = bytes_max > 0 && bytes_max < SIZE_MAX ? (size_t)bytes_max : 1;
    *collection = (struct collection){.is_active = true, .collected = collected, .data = data};
    buffer_init(&collection->buffer, max, NULL);
}

/* The answer is known already: from the loop, all the same. */
static void end_later(struct exchange *exchange, enum fault fault)
{
    exchange->private.collection.fault = fault;
    loop_defer(gateway_loop(exchange->gateway), &exchange->private.deferred);
}

static void send_continue(struct exchange *exchange)
{
    struct response response = {.status = 100, .reason = SLICE("Continue"), .minor_version = 1};
    exchange->request->expects_continue = false;
    http_stream_send_response(exchange->downstream, &response);
}

void exchange_collect_body(struct exchange *exchange, uint64_t bytes_max,
                           void (*collected)(void *data, enum fault fault, struct slice body),
                           void *data)
{
    struct request *request = exchange->request;
    assert(exchange->step == EXCHANGE_DECIDING);

    begin(exchange, bytes_max, collected, data);
    bool is_too_large = request->body == BODY_LENGTH && request->content_length > bytes_max;
    if (is_too_large) {
        end_later(exchange, FAULT_REQUEST_BODY_TOO_LARGE);
    } else if (exchange->private.has_request_body || request->body == BODY_NONE) {
        end_later(exchange, FAULT_NONE);
    } else {
        if (request->expects_continue)
            send_continue(exchange);
        http_stream_resume(exchange->downstream);
    }
}

void exchange_replace_body(struct exchange *exchange, struct slice body)
{
    assert(exchange->step == EXCHANGE_DECIDING);
    exchange->private.has_request_body = true;
    exchange->private.is_discarding = true;
    exchange->private.request_body = arena_copy(&exchange->arena, body);
}

void exchange_collect_response_body(struct exchange *exchange, uint64_t bytes_max,
                                    void (*collected)(void *data, enum fault fault,
                                                      struct slice body),
                                    void *data)
{
    assert(exchange->step == EXCHANGE_RESPONDING);

    begin(exchange, bytes_max, collected, data);
    if (exchange->private.has_response_body)
        end_later(exchange, FAULT_NONE);
    else if (exchange->upstream == NULL)
        end_later(exchange, exchange->fault);
    else
        http_stream_resume(exchange->upstream);
}

void exchange_replace_response_body(struct exchange *exchange, struct slice body)
{
    struct response *response = exchange->response;
    assert(exchange->step == EXCHANGE_RESPONDING);

    exchange->private.has_response_body = true;
    exchange->private.response_body = arena_copy(&exchange->arena, body);
    bool has_own_length =
        (exchange->phases & ROUTE_RESPONSE_CHUNK) == 0 || exchange->is_gateway_made;
    if (response->body != BODY_NONE && has_own_length) {
        response->body = BODY_LENGTH;
        response->content_length = body.length;
        headers_remove_known(&response->headers, HEADER_CONTENT_LENGTH);
    }
}

void body_collection_data(struct exchange *exchange, struct slice bytes)
{
    struct collection *collection = &exchange->private.collection;

    if (collection->fault != FAULT_NONE || buffer_append(&collection->buffer, bytes))
        return;
    bool is_request = exchange->step == EXCHANGE_DECIDING;
    /* What still comes is not kept; the policy is told from the loop. */
    if (is_request) {
        exchange->private.is_discarding = true;
        http_stream_pause(exchange->downstream);
    } else {
        http_stream_pause(exchange->upstream);
    }
    end_later(exchange, is_request ? FAULT_REQUEST_BODY_TOO_LARGE : FAULT_UPSTREAM_BODY_TOO_LARGE);
}

/* What was collected is what will be sent, unless a policy replaces it. */
static struct slice keep(struct exchange *exchange)
{
    struct exchange_private *private = &exchange->private;
    struct slice body = arena_copy(&exchange->arena, buffer_slice(&private->collection.buffer));

    if (exchange->step == EXCHANGE_DECIDING) {
        if (private->has_request_body)
            return private->request_body;
        if (exchange->request->body != BODY_NONE) {
            private->has_request_body = true;
            private->request_body = body;
        }
        return body;
    }
    if (private->has_response_body)
        return private->response_body;
    exchange_replace_response_body(exchange, body);
    return body;
}

void body_collection_drop(struct exchange *exchange)
{
    struct collection *collection = &exchange->private.collection;

    if (!collection->is_active)
        return;
    collection->is_active = false;
    buffer_clear(&collection->buffer);
}

void body_collection_end(struct exchange *exchange, enum fault fault)
{
    struct collection *collection = &exchange->private.collection;

    if (!collection->is_active)
        return;
    struct slice body = fault == FAULT_NONE ? keep(exchange) : SLICE_NONE;
    collection->is_active = false;
    buffer_clear(&collection->buffer);
    collection->collected(collection->data, fault, body);
}
