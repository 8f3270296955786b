/*
 * stream_internal — what the files of a stream share: plain bytes, TLS records, the handshake.
 *
 * Nobody else includes this.
 */
#pragma once

#include <sys/socket.h>

#include "net/stream.h"

struct stream {
    struct loop *loop;
    ev_io readable, writable;
    const struct stream_events *events; /* NULL: nobody listens */
    void *data;
    int ending; /* STREAM_AGAIN while reading goes on, then what every read answers */
    bool is_paused, is_awaited; /* awaited: on_writable was asked for */
    bool has_failed;            /* a write took the socket's error: its end is none */
    bool is_shut_down;          /* nothing more is written */
    bool ends_soon;             /* see stream_end_soon() */
    bool peer_has_said_all;
    struct stream_tls *tls; /* NULL: plain */
};

/* Of what is sent now, besides MSG_NOSIGNAL. */
static inline int stream_send_flags(const struct stream *stream)
{
    return stream->ends_soon ? MSG_MORE : 0;
}

/* Starts and stops both watchers to match the state; call after each change of it. */
void stream_watch(struct stream *stream);
/* What every read answers from now on: STREAM_END or STREAM_BROKEN, which it returns. */
ssize_t stream_end_reading(struct stream *stream, int ending);
/* Calls the owner, who may destroy the stream: do not touch it afterwards. */
void stream_deliver_readable(struct stream *stream);
void stream_deliver_writable(struct stream *stream);

/* The same as the functions of stream.h, for a stream with TLS. */
ssize_t stream_tls_read(struct stream *stream, void *bytes, size_t bytes_max);
ssize_t stream_tls_write(struct stream *stream, const struct iovec *vectors, int count);
bool stream_tls_has_pending(const struct stream *stream);
bool stream_tls_is_quiet(struct stream *stream);
void stream_tls_shut_down(struct stream *stream);
/* Whether its goodbye is yet to be said. */
bool stream_tls_is_closing(const struct stream *stream);
/* Frees `stream->tls`; polite: says close_notify where that can be said at once. */
void stream_tls_close(struct stream *stream, bool polite);
/* After an attach or a resume: what waits inside TLS makes no socket readable. */
void stream_tls_wake(struct stream *stream);
/* What TLS needs of the socket whatever the owner wants. */
bool stream_tls_wants_read(const struct stream *stream);
bool stream_tls_wants_write(const struct stream *stream);
/* The socket is ready. */
void stream_tls_on_readable(struct stream *stream);
void stream_tls_on_writable(struct stream *stream);
