/*
 * pool — two lists of connections, and a third of those that nobody uses.
 *
 * Idle deadlines are one list in order of time, swept by one timer that is set when it runs out,
 * not when a connection comes or goes: lending and taking back is a few stores.
 */
#include "upstream/pool.h"

#include <assert.h>

#include "base/mem.h"
#include "upstream/pool_parts.h"

/*
 * More than idle_connections_max stay for so long: requests come in waves, and closing what the
 * next one opens again costs more than all else about a request.
 */
#define SURPLUS_SECONDS 1.0
/* Deadlines this near are met: the timer and the list add up seconds in different order. */
#define SWEEP_TOLERANCE_SECONDS 0.001

void pool_end_when_empty(struct pool *pool)
{
    if (!pool->is_ending || pool->count > 0)
        return;
    timeout_stop(&pool->sweep);
    free(pool);
}

void pool_leave_idle(struct connection *connection)
{
    if (list_is_empty(&connection->idle_node))
        return;
    list_remove(&connection->idle_node);
    connection->pool->idle_count--;
}

void pool_forget(struct connection *connection)
{
    pool_leave_idle(connection);
    list_remove(&connection->node);
    list_push_back(&connection->pool->occupied, &connection->node);
    connection->is_retired = true;
}

/* No new streams; the session closes itself after the last one. May free the connection. */
static OUT_OF_LINE void retire(struct connection *connection)
{
    if (connection->is_retired)
        return;
    pool_forget(connection);
    http_session_drain(connection->session);
}

static struct connection *longest_idle(struct pool *pool)
{
    return CONTAINER_OF(pool->idle.prev, struct connection, idle_node);
}

/* How long the one that is idle for longest may be so. */
static double patience(const struct pool *pool)
{
    bool is_surplus = pool->idle_count > pool->limits.idle_connections_max;
    return is_surplus && pool->limits.idle_seconds > SURPLUS_SECONDS ? SURPLUS_SECONDS
                                                                     : pool->limits.idle_seconds;
}

static void join_idle(struct connection *connection)
{
    struct pool *pool = connection->pool;

    connection->idle_since = loop_monotonic(pool->loop);
    list_push_front(&pool->idle, &connection->idle_node);
    pool->idle_count++;
    if (pool->limits.idle_connections_max == 0) {
        retire(connection);
        return;
    }
    double latest = loop_monotonic(pool->loop) + patience(pool);
    if (pool->sweep.deadline == 0 || pool->sweep.deadline > latest)
        timeout_set(&pool->sweep, patience(pool));
}

void pool_settle(struct connection *connection)
{
    struct pool *pool = connection->pool;

    if (connection->session == NULL) {
        if (connection->streams == 0)
            connection_free(connection);
        return;
    }
    if (connection->is_retired)
        return;
    if (connection->age != pool->age) {
        retire(connection);
        return;
    }
    pool_leave_idle(connection);
    list_remove(&connection->node);
    if (http_session_capacity(connection->session) == 0) {
        list_push_front(&pool->occupied, &connection->node);
        return;
    }
    list_push_front(&pool->available, &connection->node);
    if (connection->streams == 0)
        join_idle(connection);
}

static void on_sweep(void *data)
{
    struct pool *pool = data;
    double now = loop_monotonic(pool->loop);

    while (!list_is_empty(&pool->idle)) {
        struct connection *oldest = longest_idle(pool);
        double left = oldest->idle_since + patience(pool) - now;
        if (left > SWEEP_TOLERANCE_SECONDS) {
            timeout_set(&pool->sweep, left);
            return;
        }
        retire(oldest);
    }
    timeout_clear(&pool->sweep);
}

struct pool *pool_create(struct loop *loop, const struct pool_limits *limits)
{
    struct pool *pool = mem_zeroed(sizeof(*pool));
    pool->loop = loop;
    list_init(&pool->available);
    list_init(&pool->occupied);
    list_init(&pool->idle);
    timeout_init(&pool->sweep, loop, on_sweep, pool);
    pool_set_limits(pool, limits);
    return pool;
}

void pool_set_limits(struct pool *pool, const struct pool_limits *limits)
{
    assert(limits->idle_seconds > 0);
    pool->limits = *limits;
    on_sweep(pool);
    while (pool->idle_count > limits->idle_connections_max)
        retire(longest_idle(pool));
}

void pool_renew(struct pool *pool)
{
    pool->age++;
    while (!list_is_empty(&pool->idle))
        retire(longest_idle(pool));
}

void pool_destroy(struct pool **pool)
{
    struct pool *ending = *pool;
    *pool = NULL;
    pool_renew(ending);
    ending->is_ending = true;
    pool_end_when_empty(ending);
}

struct connection *pool_find(struct pool *pool)
{
    while (!list_is_empty(&pool->available)) {
        struct connection *newest = CONTAINER_OF(pool->available.next, struct connection, node);
        if (newest->age == pool->age && http_session_capacity(newest->session) > 0)
            return newest;
        pool_settle(newest);
    }
    return NULL;
}

bool pool_has_room(const struct pool *pool)
{
    return pool->limits.connections_max == 0 || pool->count < pool->limits.connections_max ||
           !list_is_empty(&pool->available);
}

bool pool_reserve(struct pool *pool)
{
    unsigned limit = pool->limits.connections_max;

    if (limit > 0 && pool->count >= limit && !list_is_empty(&pool->idle)) {
        struct connection *oldest = longest_idle(pool);
        connection_close(&oldest);
    }
    if (limit > 0 && pool->count >= limit)
        return false;
    pool->count++;
    pool->reserved++;
    return true;
}

void pool_unreserve(struct pool *pool)
{
    assert(pool->reserved > 0);
    pool->reserved--;
    pool->count--;
    pool_end_when_empty(pool);
}

struct connection *pool_add(struct pool *pool, struct stream *stream,
                            const struct http_protocol *protocol,
                            const struct http_session_limits *limits)
{
    assert(pool->reserved > 0);
    pool->reserved--;

    struct connection *connection = mem_zeroed(sizeof(*connection));
    connection->pool = pool;
    connection->age = pool->age;
    list_init(&connection->idle_node);
    list_init(&connection->node);
    list_push_front(&pool->occupied, &connection->node);
    connection->session = protocol->connect(stream, limits, &CONNECTION_EVENTS, connection);
    return connection;
}

unsigned pool_idle(const struct pool *pool)
{
    return pool->idle_count;
}

unsigned pool_busy(const struct pool *pool)
{
    return pool->count - pool->idle_count;
}
