/*
 * h1_client — the inner structure of an HTTP/1 connection to an upstream, shared by its parts.
 *
 * h1_client.c is the connection's life and the stream's operations, h1_client_input.c reads
 * responses.
 */
#pragma once

#include "http/h1_body.h"
#include "http/h1_opinion.h"
#include "http/h1_output.h"
#include "http/h1_protocol.h"
#include "http/h1_scanner.h"

/* More 1xx responses than this before the final one are an attack, not progress. */
#define H1_CLIENT_INFORMATIONAL_MAX 64

enum h1_client_step {
    H1_CLIENT_IDLE,
    H1_CLIENT_HEAD, /* a request is under way, its response's head is not complete */
    H1_CLIENT_BODY,
    H1_CLIENT_COMPLETE, /* the response is complete, the stream not released */
    H1_CLIENT_TUNNEL,
    H1_CLIENT_CLOSED
};

struct h1_client {
    struct http_session session;
    struct http_stream stream; /* the one there can be at a time */
    struct stream *transport;
    const struct http_session_limits *limits;
    struct h1_output output;
    struct buffer input; /* received, not yet used */
    struct h1_scanner scanner;
    struct h1_opinions *opinions; /* the loop's */
    struct h1_body body;
    struct loop_deferred again, freeing;

    enum h1_client_step step;
    bool has_stream;
    bool is_paused;      /* by the stream's user */
    bool is_read_paused; /* the transport, by us */
    bool is_reading;     /* what follows an answer must not meet another request */
    bool is_draining, must_close, has_ended_input;
    bool is_body_open;
    unsigned informational;

    enum method method; /* of the request */
    bool asks_upgrade, is_chunked, end_sent, sent_told, is_output_broken;
    struct response *response; /* in the stream's arena */
};

/* The transport's events, and what runs for `again` (h1_client_input.c). */
extern const struct stream_events H1_CLIENT_TRANSPORT;
void h1_client_on_again(struct loop_deferred *item);
/* The request has begun: expects a response. */
void h1_client_expect(struct h1_client *client);

/* Tells the owner that a request can be sent, unless what was received is not used up yet. */
void h1_client_offer(struct h1_client *client);
void h1_client_body_clear(struct h1_client *client);
void h1_client_read_again(struct h1_client *client);
/* Closes the connection at once; the stream's user, if any, is told `fault` first. */
void h1_client_close(struct h1_client *client, enum fault fault);
