/*
 * exchange_private — what the files that make up an exchange call of each other.
 *
 * exchange.c: its steps · relay.c: the streams' events · body_collection.c: whole bodies ·
 * outbound.c: the head that goes upstream.
 */
#pragma once

#include "gateway/exchange.h"
#include "gateway/request_ids.h"

/* Bodies in memory are handed over in pieces of this size. */
#define RELAY_PIECE_BYTES 65536

/* The two streams' events; `data` is the exchange. */
extern const struct http_stream_events RELAY_DOWNSTREAM_EVENTS;
extern const struct http_stream_events RELAY_UPSTREAM_EVENTS;

/* Sends what is left of a body in memory, as far as the stream takes it; then its end. */
void relay_pump_request_body(struct exchange *exchange);
void relay_pump_response_body(struct exchange *exchange);
/* The same after the head has been sent, through the response_chunk phase like what follows. */
void relay_begin_response_body(struct exchange *exchange);
/* To the client, through the response_chunk phase where a plugin has one. */
void relay_response_data(struct exchange *exchange, struct slice bytes);
void relay_response_end(struct exchange *exchange);
/* A policy's answer to a chunk that is more than one piece; exchange_chunk_sent() follows. Copied.
 */
void relay_send_large_chunk(struct exchange *exchange, struct slice chunk);
/* What comes after an answer to a chunk; `may_go_on`: there is room for more. */
void exchange_chunk_sent(struct exchange *exchange, bool may_go_on);

/* The request as it goes upstream: hop-by-hop fields removed, Host, Via and forwarded fields set.
 * In the arena. */
struct request *outbound_request(struct exchange *exchange);
/* Facts from the request's fields before policies see it: client_host, trace_id. FAULT_NONE or
 * LOOP_DETECTED. */
enum fault outbound_inspect(struct exchange *exchange);

/* OPTIONS with Max-Forwards: 0 is answered by whom it reaches (RFC 9110, 7.6.2). */
bool outbound_ends_here(const struct exchange *exchange);

/* More of the body being collected; its end. */
void body_collection_data(struct exchange *exchange, struct slice bytes);
void body_collection_end(struct exchange *exchange, enum fault fault);
/* Who waited for it has been cancelled. */
void body_collection_drop(struct exchange *exchange);

/* The head has come: asks the policies. */
void exchange_decide(struct exchange *exchange);
/* An answer from the core itself, whatever the step before the head is sent; through the response
 * phase where `asks_policies`. */
void exchange_answer_fault(struct exchange *exchange, enum fault fault, bool asks_policies) COLD;
/* The final response's head has come from upstream. */
void exchange_on_response(struct exchange *exchange, struct response *response);
/* Gives the call back, remembering its record. */
void exchange_drop_upstream(struct exchange *exchange);
/* The exchange is over, well or not: logs, and goes back to the pool. */
void exchange_finish(struct exchange *exchange);
/* The client cannot be given a complete answer any more. */
void exchange_break_off(struct exchange *exchange, enum fault fault) COLD;
/* Whether some phase has been asked and has not answered. */
bool exchange_is_waiting(const struct exchange *exchange);

/* gateway.c. */
struct exchange *gateway_exchange_take(struct gateway *gateway);
void gateway_exchange_give(struct gateway *gateway, struct exchange *exchange);
struct request_ids *gateway_request_ids(struct gateway *gateway);
const struct phases *gateway_phases(const struct gateway *gateway);
struct gateway_totals *gateway_totals_of(struct gateway *gateway);
struct http_cache *gateway_cache(const struct gateway *gateway);
/* Adds Date where it is missing, see date_field.h. */
void gateway_add_date(struct gateway *gateway, struct response *response, struct arena *arena);
