/*
 * stream — a connected byte stream, plain or TLS, that never blocks.
 *
 * Its read watcher stays armed for life and is paused only when a reader is
 * really full; writing is tried at once, and watched for only after it did not
 * go through. Owns its descriptor and its TLS session.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/fault.h"
#include "net/address.h"
#include "net/loop.h"

struct stream;
struct tls_context;
typedef struct ssl_st SSL;

/* What stream_read and stream_write return besides a count. */
enum { STREAM_END = 0, STREAM_AGAIN = -1, STREAM_BROKEN = -2 };

/* The most vectors that one write takes. */
#define STREAM_VECTORS_MAX 16

struct stream_events {
    /* Bytes, the end or an error can be read. May destroy the stream. */
    void (*on_readable)(void *data);
    /* After stream_await_writable(), once. May destroy the stream. */
    void (*on_writable)(void *data);
};

/* Takes over `fd`, connected and non-blocking, as plain bytes. Reading starts with stream_attach().
 */
struct stream *stream_create(struct loop *loop, int fd);
/*
 * Closes: what was not written is lost. Clears `*stream`. TLS says close_notify if that can be said
 * at once, so where the peer must not take what it has for complete, use stream_abort().
 */
void stream_destroy(struct stream **stream);
/* Closes with a reset (SO_LINGER 0), so that the peer cannot take it for a complete end. */
void stream_abort(struct stream **stream);

/*
 * Who is told from now on; replaces whom it was before, and begins neither paused nor waiting to
 * write. NULL events: nobody, and not read. Never calls back before it returns.
 */
void stream_attach(struct stream *stream, const struct stream_events *events, void *data);
/* The same, but it begins paused. */
void stream_attach_paused(struct stream *stream, const struct stream_events *events, void *data);

/*
 * Bytes read (> 0), STREAM_END, STREAM_AGAIN or STREAM_BROKEN. One system call where plain. After
 * the end or a failure every further read answers the same, and on_readable is not called any more.
 * Under TLS the end is a close_notify; a connection that just ends is STREAM_BROKEN, because
 * anybody on the way could have cut it. A reader that leaves bytes behind is called again.
 */
ssize_t stream_read(struct stream *stream, void *bytes, size_t bytes_max);
/* Whether a read would say something without the socket becoming readable (inside TLS). */
bool stream_has_pending(const struct stream *stream);
/*
 * Bytes written (maybe fewer than given), STREAM_AGAIN or STREAM_BROKEN. At most STREAM_VECTORS_MAX
 * vectors. What was not taken must be what the next write begins with, as nothing else makes sense
 * in a stream: TLS may have encrypted it already. Reading may go on after a write was
 * STREAM_BROKEN. Not after stream_shut_down().
 */
ssize_t stream_write(struct stream *stream, const struct iovec *vectors, int count);
/* No more on_readable until resumed; what was paused loses nothing. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream);
void stream_await_writable(struct stream *stream);
/*
 * The next write is the last: who says so ends the stream within the turn in which all is written,
 * so that the end goes out in one segment with it. Shutting down or destroying sends what waits.
 */
void stream_end_soon(struct stream *stream);
/*
 * The peer has said that it sends nothing more, and has sent nothing more as far as is known: by
 * the last read, or what the loop has told of while it is watched. With plain bytes destroying the
 * stream then says the end by itself, which takes a system call less; but if bytes came all the
 * same since then, it is a reset that loses what waits.
 */
void stream_peer_has_said_all(struct stream *stream);
/* Sends FIN (and TLS close_notify first): reading goes on. */
void stream_shut_down(struct stream *stream);
/* Whether this turn of the loop has told that something can be read, and nobody has read it yet. */
bool stream_has_event(const struct stream *stream);
/* Whether bytes of ours have not been sent yet, in the kernel or a goodbye of TLS; false where the
 * kernel does not tell. */
bool stream_has_unsent(const struct stream *stream);
/* Between messages: false when the peer has said something, hung up or failed. Consumes TLS
 * tickets. */
bool stream_is_quiet(struct stream *stream);
/*
 * Bytes of ours the peer's TCP has acknowledged so far, or UINT64_MAX where that cannot be known
 * (unix sockets). Works on a socket that has failed: equal before and after means nothing arrived.
 * So after a reset all that was sent counts: a program may read what its kernel has not
 * acknowledged yet, and then reset. A peer that had closed before sends its end first, and is no
 * such case.
 */
uint64_t stream_bytes_acknowledged(const struct stream *stream);

int stream_fd(const struct stream *stream);
struct loop *stream_loop(const struct stream *stream);

/*
 * TLS over the plain stream. `done(data, fault, detail)` is called once, maybe before this returns:
 * FAULT_NONE, or FAULT_UPSTREAM_TLS / FAULT_UPSTREAM_CERTIFICATE (client side) /
 * FAULT_REQUEST_MALFORMED (server side) with a text for the log, borrowed during the call. It may
 * destroy the stream; destroying the stream before cancels it. Nothing else of the stream may be
 * used meanwhile but stream_attach(), whose events come after `done`. There is no time limit here:
 * that is the caller's.
 */
typedef void stream_handshaken(void *data, enum fault fault, const char *detail);
void stream_accept_tls(struct stream *stream, struct tls_context *context, stream_handshaken *done,
                       void *data);
/* Whom a client takes the other end for. */
struct stream_server {
    const char *name; /* SNI, and the name or IP address that the certificate must be for; NULL:
                         only the chain is verified */
    const struct address *address; /* with the name: where its sessions are kept */
};
void stream_connect_tls(struct stream *stream, struct tls_context *context,
                        const struct stream_server *server, stream_handshaken *done, void *data);
/*
 * NULL when plain. For what a policy asks: SNI, ALPN, version, the peer's certificate. A client's
 * certificate counts only where there is one (SSL_get0_peer_certificate) and SSL_get_verify_result
 * is X509_V_OK.
 */
SSL *stream_tls(const struct stream *stream);
/* Server side: the name the client asked for (lower case), empty when none. ALPN agreed on, empty
 * when none. */
struct slice stream_server_name(const struct stream *stream);
struct slice stream_application_protocol(const struct stream *stream);
