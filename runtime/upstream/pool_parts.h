/*
 * pool_parts — what a pool and its connections consist of: shared by pool.c, which decides who is
 * lent, and connection.c, which follows one session.
 */
#pragma once

#include "base/list.h"
#include "net/timeout.h"
#include "upstream/pool.h"

struct pool {
    struct loop *loop;
    struct pool_limits limits;
    struct list available; /* struct connection with capacity, last used first */
    struct list occupied;  /* the others */
    struct list idle;      /* by idle_node: no streams; last used first */
    unsigned count;        /* in both lists, and reserved */
    unsigned reserved, idle_count;
    unsigned age;   /* connections of an earlier age are not lent */
    bool is_ending; /* destroyed; freed with the last connection */
    struct timeout sweep;
};

struct connection {
    struct list node, idle_node;
    struct pool *pool;
    struct http_session *session; /* NULL: closed, but a stream has not been released yet */
    unsigned streams, age;
    uint64_t opened; /* streams so far */
    double idle_since;
    bool is_retired;     /* drained: not lent again */
    bool is_coming_back; /* its stream is being released: settled when that is done */
};

/* Puts the connection where it belongs now. May free it. */
void pool_settle(struct connection *connection);
/* It is not lent again. */
void pool_forget(struct connection *connection);
void pool_leave_idle(struct connection *connection);
/* After pool_destroy(), the last connection takes the pool with it. */
void pool_end_when_empty(struct pool *pool);
/* Closed, and no stream holds it any more. */
void connection_free(struct connection *connection);
/* For its session; `data` is the connection. */
extern const struct http_session_events CONNECTION_EVENTS;
