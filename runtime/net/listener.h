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
    struct tls_context *tls; /* NULL: plain; borrowed */
    enum listener_proxy_protocol proxy_protocol;
    /* Who may send PROXY headers; others are refused. None: anyone may. Borrowed. */
    const struct address_block *proxy_sources;
    size_t proxy_source_count;
    double handshake_timeout; /* seconds for PROXY header and TLS handshake together; 0: 10 */
    /* 0: it waits for connections. Else it looks for them so often: where another process accepts
     * as well, and goes on when this listener is gone, epoll could not be told to forget it. */
    double look_seconds;
};

/*
 * For each connection that may_accept() admits, exactly one of the others follows, unless the
 * listener is destroyed before. None of them may destroy the listener.
 */
struct listener_events {
    /* Asked first of all: false closes the connection at once. NULL: all are admitted. */
    bool (*may_accept)(void *data, const struct address *peer);
    /* A ready connection, the callee's now. `client`: the peer, or whom a PROXY header names. */
    void (*on_connection)(void *data, struct stream *stream, const struct address *client);
    /* It is closed already; `detail` is for the log. May be NULL. */
    void (*on_failed)(void *data, const struct address *peer, const char *detail);
    /* The listener retires, or is left, and has no more use for its socket. May be NULL. */
    void (*on_closed)(void *data);
};

struct listener;

#define LISTENER_ERROR_BYTES 256

/*
 * Opens, binds and listens. ":80" takes IPv4 too, "[::]:80" does not; a unix socket's file gets
 * mode 0660, and a stale one, on which nobody listens, is replaced. `reuse_port`: SO_REUSEPORT.
 * `backlog` 0: listen() is left to the caller.
 * Returns the descriptor, or -1 with errno and a sentence that begins with the address and says
 * what is wrong ("127.0.0.1:80 is in use").
 */
int listener_open(const struct address *address, bool reuse_port, int backlog,
                  char error[LISTENER_ERROR_BYTES]);

/* Nobody can begin to connect any more, while who has begun can still be accepted: closing it then
 * resets nobody. Of a unix socket the file has to be removed instead. */
void listener_bar(int fd);

/*
 * Accepts from `fd`, which stays the caller's; `options` and `events` are copied, and all that the
 * options point to is borrowed until listener_configure(). While descriptors run out it accepts
 * nothing for moments, says so in the log once a second, and closes one waiting connection each
 * time.
 */
struct listener *listener_create(struct loop *loop, int fd, const struct listener_options *options,
                                 const struct listener_events *events, void *data);
/* For connections to come. Those in the middle of their handshake go on as they began. */
void listener_configure(struct listener *listener, const struct listener_options *options);
/*
 * Accepts what waits in the socket's queue, then nothing more; when the last of these connections
 * is ready or has failed, calls `retired`, once, maybe before this returns, and frees itself. All
 * that was lent is needed until then, the socket until on_closed.
 */
void listener_retire(struct listener **listener, void (*retired)(void *data));
/* The same, but for what waits in the queue: others accept from the socket, and take it. */
void listener_leave(struct listener **listener, void (*retired)(void *data));
/* Stops accepting; connections in the middle of their handshake are closed. Not from one of its
 * own calls. */
void listener_destroy(struct listener **listener);
