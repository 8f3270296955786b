/*
 * h1_server — the inner structure of an HTTP/1 connection from a client, shared by its three parts.
 *
 * h1_server.c is the connection's life, h1_server_input.c reads requests, h1_server_stream.c is the
 * stream's side: responses and back-pressure.
 */
#pragma once

#include "http/h1_body.h"
#include "http/h1_opinion.h"
#include "http/h1_output.h"
#include "http/h1_protocol.h"
#include "http/h1_scanner.h"

/* A request body's rest of at most this is discarded to keep the connection; beyond, it closes. */
#define H1_SERVER_DISCARD_BYTES_MAX 262144
/* A connection that drains between two requests is given so long for another one to come. */
#define H1_SERVER_DRAIN_SECONDS 0.5

enum h1_server_step {
    H1_SERVER_HEAD,    /* between requests, or in the middle of a head */
    H1_SERVER_BODY,    /* a request's body is coming */
    H1_SERVER_WAIT,    /* the request is complete, its response is not */
    H1_SERVER_DISCARD, /* the response is complete, the request's rest is thrown away */
    H1_SERVER_TUNNEL,
    H1_SERVER_LINGER, /* closing: what still comes is thrown away, so that no reset eats the answer
                       */
    H1_SERVER_CLOSED
};

enum h1_server_framing {
    H1_SERVER_NO_BODY,
    H1_SERVER_BY_LENGTH,
    H1_SERVER_CHUNKED,
    H1_SERVER_BY_CLOSE
};

struct h1_server {
    struct http_session session;
    struct http_stream stream; /* the one there can be at a time */
    struct stream *transport;
    const struct http_session_limits *limits;
    struct h1_output output;
    struct buffer input; /* received, not yet used */
    struct h1_scanner scanner;
    struct h1_opinions *opinions; /* the loop's */
    struct h1_body body;
    struct timeout timeout; /* of whatever `step` waits for */
    struct loop_deferred again, freeing;

    enum h1_server_step step;
    bool has_stream;     /* between on_stream and release */
    bool is_paused;      /* by the stream's user */
    bool is_read_paused; /* the transport, by us */
    bool is_draining, is_refused, must_close, has_ended_input;
    bool says_no_more;     /* the client behind this request, by its own word */
    bool expects_continue; /* and neither 100 nor a final head has been sent */

    bool is_head_request, is_body_open; /* h1_body_init was called, h1_body_clear was not */
    unsigned minor_version, requests;
    struct request *request; /* in the stream's arena */

    enum h1_server_framing framing; /* of the response */
    uint64_t length_left;           /* H1_SERVER_BY_LENGTH */
    bool head_sent, end_sent, sent_told;
};

/* The transport's events, and what runs for `again` (h1_server_input.c). */
extern const struct stream_events H1_SERVER_TRANSPORT;
void h1_server_on_again(struct loop_deferred *item);
/* Nothing more is read: where the next message would begin is not known. One answer may be sent. */
void h1_server_refuse(struct h1_server *server, enum fault fault, uint64_t offset) COLD;

/* The stream's operations (h1_server_stream.c). */
extern const struct http_stream_codec H1_SERVER_STREAM;
extern const struct h1_output_events H1_SERVER_OUTPUT;

/* Unparsed input beyond this pauses reading: a pipelining client waits for its answers. */
size_t h1_server_input_bytes_max(const struct h1_server *server);
/* Closes the connection at once; the stream's user, if any, is told `fault` first. */
void h1_server_close(struct h1_server *server, enum fault fault);
/* Says goodbye: FIN, then discards input for a while. */
void h1_server_linger(struct h1_server *server);
void h1_server_body_clear(struct h1_server *server);
/* The response is with the kernel or given up, the stream released: what comes next on this
 * connection. */
void h1_server_next(struct h1_server *server);
/* Goes on with what waits in the input, from the loop. */
void h1_server_read_again(struct h1_server *server);
/* Another request may come, but not for ever. */
void h1_server_await_head(struct h1_server *server);
/* Of a connection that has just been accepted. Its request may be there already: where that is to
 * be expected it is read, from the loop, and watched only if it was not. */
void h1_server_begin_reading(struct h1_server *server);
