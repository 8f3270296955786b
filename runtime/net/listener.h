/*
 * listener — a listening socket, and accepting from it.
 *
 * The socket is opened by the master and outlives workers; a worker's listener
 * accepts from it and hands each connection on, after the PROXY protocol (where
 * the listener expects it) and the TLS handshake (where it has a context).
 */
#pragma once

#include "net/address.h"
#include "net/loop.h"
#include "net/stream.h"

/* How many connections one event may accept before others get their turn. */
#define LISTENER_ACCEPTS_PER_EVENT 64

enum listener_proxy_protocol {
    LISTENER_PROXY_NONE,
    LISTENER_PROXY_V1 = 1,
    LISTENER_PROXY_V2 = 2,
    LISTENER_PROXY_ANY = 3
};

struct listener_options {
    struct tls_context *tls; /* NULL: plain; borrowed while the listener lives */
    enum listener_proxy_protocol proxy_protocol;
    const struct address_block *proxy_sources; /* who may send PROXY headers; others are refused.
                                                  Empty: anyone. Borrowed. */
    size_t proxy_source_count;
    double handshake_timeout; /* seconds for PROXY header and TLS handshake together; 0: 10 */
};

/*
 * None of these may destroy the listener. on_connection: a ready connection, which is the callee's,
 * with stream_peer() set; `client` is the peer, or whom the PROXY header names. For each connection
 * that may_accept (NULL: all) admitted, exactly one of on_connection and on_failed follows, unless
 * the listener is destroyed before.
 */
struct listener_events {
    /* Asked before anything else is done for a connection from `peer`: false closes it at once
     * (limits). */
    bool (*may_accept)(void *data, const struct address *peer);
    void (*on_connection)(void *data, struct stream *stream, const struct address *client);
    /* It is closed already; `detail` is for the log. May be NULL. */
    void (*on_failed)(void *data, const struct address *peer, const char *detail);
};

struct listener;

#define LISTENER_ERROR_BYTES 256

/*
 * Opens, binds and listens; a unix socket's file gets mode 0660, and a stale one, which nobody
 * listens on, is replaced.
 * ":80" takes IPv4 too, "[::]:80" does not. `reuse_port`: SO_REUSEPORT. Returns the descriptor, or
 * -1 with a sentence that begins with the address ("127.0.0.1:80 is in use") and says what is
 * needed.
 */
int listener_open(const struct address *address, bool reuse_port, int backlog,
                  char error[LISTENER_ERROR_BYTES]);

/*
 * Accepts from `fd`, which stays the caller's; `options` and `events` are copied. While descriptors
 * run out it accepts nothing for moments, says so in the log once a second, and closes one waiting
 * connection each time.
 */
struct listener *listener_create(struct loop *loop, int fd, const struct listener_options *options,
                                 const struct listener_events *events, void *data);
/* Stops accepting; connections in the middle of their handshake are closed. */
void listener_destroy(struct listener **listener);
