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

enum listener_proxy_protocol { LISTENER_PROXY_NONE, LISTENER_PROXY_V1 = 1, LISTENER_PROXY_V2 = 2, LISTENER_PROXY_ANY = 3 };

struct listener_options {
    struct tls_context *tls;                  /* NULL: plain; borrowed while the listener lives */
    enum listener_proxy_protocol proxy_protocol;
    const struct address_block *proxy_sources; /* who may send PROXY headers; others are refused. Empty: anyone. Borrowed. */
    size_t proxy_source_count;
    double handshake_timeout;                 /* seconds for PROXY header and TLS handshake together; 0: 10 */
};

/* A ready connection; the stream is the callee's. `client` is the peer, or whom the PROXY header names. */
struct listener_events {
    /* Asked before anything else is done for a connection from `peer`: false closes it at once (limits). */
    bool (*may_accept)(void *data, const struct address *peer);
    void (*on_connection)(void *data, struct stream *stream, const struct address *client);
    /* A connection that may_accept() admitted ended before it was ready. */
    void (*on_failed)(void *data, const struct address *peer, const char *detail);
};

struct listener;

/*
 * Opens, binds and listens; a unix socket's stale file is replaced if nobody listens on it, mode 0660. Returns the descriptor, or -1
 * with a text that names the address ("port 80 on 0.0.0.0 is in use"). `reuse_port`: SO_REUSEPORT.
 */
#define LISTENER_ERROR_BYTES 256
int listener_open(const struct address *address, bool reuse_port, int backlog,
                  char error[LISTENER_ERROR_BYTES]);

/* Accepts from `fd`, which stays the caller's. */
struct listener *listener_create(struct loop *loop, int fd, const struct listener_options *options,
                                 const struct listener_events *events, void *data);
/* Stops accepting; connections in the middle of their handshake are closed. */
void listener_destroy(struct listener **listener);
