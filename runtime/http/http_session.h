/*
 * http_session — one connection and the codec that speaks on it, carrying streams.
 *
 * Whoever adds a protocol writes one `struct http_protocol` and one row where
 * protocols are listed (gateway/protocols.h); exchanges do not know which one carries them.
 */
#pragma once

#include <assert.h>

#include "http/http_stream.h"
#include "net/stream.h"

struct http_session;

struct http_session_limits {
    size_t head_bytes_max;   /* of one message's head */
    size_t target_bytes_max; /* of a request's target */
    size_t trailer_bytes_max;
    size_t window_bytes;       /* held for one stream in each direction before back-pressure */
    unsigned requests_max;     /* on one connection; then it closes. 0: no limit */
    double head_seconds;       /* from a head's first byte to its last */
    double idle_seconds;       /* between requests */
    double body_idle_seconds;  /* between bytes of a body being received, while not paused */
    double send_idle_seconds;  /* between bytes taken by the peer */
    double linger_seconds;     /* discarding what still comes after the last answer */
    double half_close_seconds; /* a client that has shut down its side gets this long for its answer
                                  to begin: it may have left */
};

/* Sensible values for all of them. */
extern const struct http_session_limits HTTP_SESSION_LIMITS;

struct http_session_events {
    /* Server: a request begins. Sets stream->events, data and arena before it returns; on_request
     * or on_refused follows. */
    void (*on_stream)(void *data, struct http_stream *stream);
    /* Client: streams can be opened (again): after a release, or when the peer allows more. */
    void (*on_available)(void *data);
    /* The connection is gone, all streams have failed or ended; the session frees itself after
     * this. May be NULL. */
    void (*on_closed)(void *data);
};

struct http_protocol {
    const char *name; /* what `protocol = "..."` says in the configuration: "http/1.1" */
    const char *alpn; /* protocol id for TLS (RFC 7301), or NULL */
    /* Take over `stream`. `limits` is borrowed while the session lives. */
    struct http_session *(*serve)(struct stream *stream, const struct http_session_limits *limits,
                                  const struct http_session_events *events, void *data);
    struct http_session *(*connect)(struct stream *stream, const struct http_session_limits *limits,
                                    const struct http_session_events *events, void *data);
};

struct http_session_codec {
    struct http_stream *(*open)(struct http_session *session);
    unsigned (*capacity)(const struct http_session *session);
    void (*drain)(struct http_session *session);
    void (*destroy)(struct http_session *session);
    struct stream *(*transport)(const struct http_session *session);
};

/* At the start of a codec's own struct. */
struct http_session {
    const struct http_session_codec *codec;
    const struct http_session_events *events;
    void *data;
};

/* Client: a new stream; the caller sets events, data and arena before it sends. Only while capacity
 * is not 0. */
static inline struct http_stream *http_session_open(struct http_session *session)
{
    return session->codec->open(session);
}

/* Client: how many streams may be opened now (HTTP/1: 1 or 0). 0 for good when the connection ends
 * soon. */
static inline unsigned http_session_capacity(const struct http_session *session)
{
    return session->codec->capacity(session);
}

/* Says to the peer that this ends (Connection: close, GOAWAY), and closes after the last stream; a
 * client's session at once when idle, a server's a moment later: a request may be on its way. May
 * call on_closed. */
static inline void http_session_drain(struct http_session *session)
{
    session->codec->drain(session);
}

/* Closes now: open streams fail; on_closed is called. Clears `*session`. */
static inline void http_session_destroy(struct http_session **session)
{
    struct http_session *destroyed = *session;
    assert(destroyed != NULL);
    *session = NULL;
    destroyed->codec->destroy(destroyed);
}

/* The byte stream below, the session's own: for addresses and TLS facts. */
static inline struct stream *http_session_transport(const struct http_session *session)
{
    return session->codec->transport(session);
}
