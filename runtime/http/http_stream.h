/*
 * http_stream — one request with its response on some connection, seen from one side.
 *
 * What a codec (HTTP/1, HTTP/2, a test's own) offers for each exchange it carries. One
 * connection (http_session) may carry many streams at once, each with flow control of its
 * own. On the server side a stream brings a request and takes a response, on
 * the client side the other way round; an upstream call (upstream/call.h) is a stream too.
 *
 * Order of events: on_request or on_refused (server) or any on_informational then
 * on_response (client); then on_data any times; on_end once (or on_refused). on_sent once, after
 * send_end. on_failed at any time instead, once, and nothing after it. The user gives the stream
 * back with http_stream_release(), also after on_failed; no event comes after that. Every event may
 * release the stream, and may call any function here; no function here calls an event
 * before it returns, but for http_stream_send_* which may not either: events come from the loop.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/message.h"

struct http_stream;

struct http_stream_events {
    /* Server: a request's head. The request lives in stream->arena; trailers are added to it before
     * on_end. */
    void (*on_request)(void *data, struct request *request);
    /*
     * Server: what came is not a request, or (after on_request) its body is malformed or too slow:
     * FAULT_REQUEST_*. One response may be sent if none was; the connection closes after it. No
     * on_data or on_end follows. `offset`: of the offending byte in the head or in the body.
     */
    void (*on_refused)(void *data, enum fault fault, uint64_t offset);
    /* Client: a 1xx response other than 101. */
    void (*on_informational)(void *data, struct response *response);
    /* Client: the final response's head, or a 101, after which data is opaque both ways. */
    void (*on_response)(void *data, struct response *response);
    /* Bytes of the body, valid during the call: send them on or copy them. */
    void (*on_data)(void *data, struct slice bytes);
    /* The message received is complete (in a tunnel: the other side will say no more). */
    void (*on_end)(void *data);
    /* After a send returned false: what was held back is down to a tolerable amount again. */
    void (*on_writable)(void *data);
    /* Everything sent, the end included, is with the kernel. */
    void (*on_sent)(void *data);
    /* The stream is lost. Server: CLIENT_GONE, REQUEST_TIMEOUT, REQUEST_MALFORMED (in the body)...
     * Client: UPSTREAM_*. */
    void (*on_failed)(void *data, enum fault fault);
};

struct http_stream_codec {
    void (*send_request)(struct http_stream *stream, const struct request *request);
    void (*send_response)(struct http_stream *stream, const struct response *response);
    bool (*send_data)(struct http_stream *stream, struct slice bytes);
    void (*send_end)(struct http_stream *stream, const struct headers *trailers);
    void (*pause)(struct http_stream *stream);
    void (*resume)(struct http_stream *stream);
    void (*release)(struct http_stream *stream);
};

/* At the start of a codec's own struct. */
struct http_stream {
    const struct http_stream_codec *codec;
    const struct http_stream_events *events;
    void *data;          /* the user's, first argument of events */
    struct arena *arena; /* the user's: heads received are put there */
};

/* The head is copied into the output at once: nothing of it need live on. */
static inline void http_stream_send_request(struct http_stream *stream,
                                            const struct request *request)
{
    stream->codec->send_request(stream, request);
}

/* 1xx any times, then one final response, or 101, after which the stream is a tunnel. */
static inline void http_stream_send_response(struct http_stream *stream,
                                             const struct response *response)
{
    stream->codec->send_response(stream, response);
}

/* Takes all of `bytes` (copying what cannot be written now). False: enough for now, wait for
 * on_writable. */
static inline bool http_stream_send_data(struct http_stream *stream, struct slice bytes)
{
    return stream->codec->send_data(stream, bytes);
}

/* The message is complete; `trailers` may be NULL. Needed once for each message, also those without
 * a body. In a tunnel: half-close. */
static inline void http_stream_send_end(struct http_stream *stream, const struct headers *trailers)
{
    stream->codec->send_end(stream, trailers);
}

/*
 * No on_data and no on_end until resumed: what has arrived waits in the codec, bounded by the
 * stream's window, and its peer is held back by flow control. Pausing twice is pausing once.
 */
static inline void http_stream_pause(struct http_stream *stream)
{
    stream->codec->pause(stream);
}

static inline void http_stream_resume(struct http_stream *stream)
{
    stream->codec->resume(stream);
}

/*
 * Gives the stream back and clears `*stream`. When both messages are complete the connection goes
 * on; else the stream is broken off so that the peer can tell (reset; HTTP/1: a close without the
 * final chunk). A server's stream whose response is complete but whose request is not: the rest of
 * the request is discarded, or the connection closed after it.
 */
static inline void http_stream_release(struct http_stream **stream)
{
    struct http_stream *released = *stream;
    *stream = NULL;
    released->codec->release(released);
}
