/*
 * connection — one session of a pool, from its first stream to its end.
 */
#include <assert.h>

#include "base/mem.h"
#include "upstream/pool_parts.h"

void connection_free(struct connection *connection)
{
    struct pool *pool = connection->pool;

    assert(connection->session == NULL && connection->streams == 0);
    pool_leave_idle(connection);
    list_remove(&connection->node);
    free(connection);
    assert(pool->count > 0);
    pool->count--;
    pool_end_when_empty(pool);
}

static void on_available(void *data)
{
    struct connection *connection = data;

    if (!connection->is_coming_back)
        pool_settle(connection);
}

static void on_closed(void *data)
{
    struct connection *connection = data;

    connection->session = NULL;
    pool_forget(connection);
    pool_settle(connection);
}

const struct http_session_events CONNECTION_EVENTS = {.on_available = on_available,
                                                      .on_closed = on_closed};

struct http_stream *connection_open(struct connection *connection)
{
    assert(connection->session != NULL);
    connection->streams++;
    connection->opened++;
    struct http_stream *stream = http_session_open(connection->session);
    pool_settle(connection);
    return stream;
}

void connection_release(struct connection **connection, struct http_stream **stream)
{
    struct connection *lent = *connection;
    *connection = NULL;
    lent->is_coming_back = true;
    http_stream_release(stream);
    lent->is_coming_back = false;
    assert(lent->streams > 0);
    lent->streams--;
    pool_settle(lent);
}

bool connection_has_streams(const struct connection *connection)
{
    return connection->streams > 0;
}

bool connection_is_reused(const struct connection *connection)
{
    return connection->opened > 1;
}

struct stream *connection_transport(const struct connection *connection)
{
    return connection->session != NULL ? http_session_transport(connection->session) : NULL;
}

void connection_close(struct connection **connection)
{
    struct connection *closing = *connection;
    struct http_session *session = closing->session;
    *connection = NULL;
    assert(closing->streams == 0 && session != NULL);
    http_session_destroy(&session);
}
