/*
 * pool — the connections to one target that are kept, so that the next request skips the
 * handshakes.
 *
 * One per worker and target: nothing is shared, nothing locks. A connection is a session with the
 * count of streams open on it; it offers itself while the session has capacity (HTTP/1: one stream
 * at a time, multiplexed protocols more). The newest is lent first, so that the cold end times out
 * and the pool shrinks by itself. A peer that speaks or hangs up while idle ends the session, and
 * with it the connection.
 */
#pragma once

#include "http/http_session.h"

struct pool_limits {
    unsigned connections_max;      /* busy, idle and being made; 0: no limit */
    unsigned idle_connections_max; /* with no stream on them; more stay for a second, of 0 none */
    double idle_seconds;
};

struct pool;
struct connection;

struct pool *pool_create(struct loop *loop, const struct pool_limits *limits);
/* Idle connections close now, busy ones after their last stream. */
void pool_destroy(struct pool **pool);
void pool_set_limits(struct pool *pool, const struct pool_limits *limits);
/* Connections made so far are not lent again (what they were made with has changed). */
void pool_renew(struct pool *pool);

/* The most recently used connection with capacity, or NULL. */
struct connection *pool_find(struct pool *pool);
/* Whether a request can have a connection, kept or new. */
bool pool_has_room(const struct pool *pool);
/*
 * Room for a connection that is about to be made: false at the limit. If kept ones stand in the way
 * the longest idle one is closed. To be followed by pool_add() or pool_unreserve().
 */
bool pool_reserve(struct pool *pool);
void pool_unreserve(struct pool *pool);
/* Takes `stream` over as a connection in the place reserved, with no stream on it yet. */
struct connection *pool_add(struct pool *pool, struct stream *stream,
                            const struct http_protocol *protocol,
                            const struct http_session_limits *limits);

/* A new stream on a connection that pool_find() or pool_add() gave in this same turn. */
struct http_stream *connection_open(struct connection *connection);
/* Releases `*stream` and clears both; the connection offers itself again if it can. */
void connection_release(struct connection **connection, struct http_stream **stream);
/* Closes a connection without streams. Clears `*connection`. */
void connection_close(struct connection **connection);
bool connection_has_streams(const struct connection *connection);
/* Whether it has carried a request before the one that was opened last. */
bool connection_is_reused(const struct connection *connection);
/* The byte stream below, or NULL when the connection is gone. */
struct stream *connection_transport(const struct connection *connection);

unsigned pool_idle(const struct pool *pool);
/* With streams on them, or being made. */
unsigned pool_busy(const struct pool *pool);
