/*
 * call — one request to a cluster, as a client's http_stream that retries by itself.
 *
 * Picks a target, takes a pooled connection or makes one, sends, and hands on the response's
 * events. Another attempt is made only while no byte of the response has been handed on, the
 * request can be replayed (all of its body sent so far is at most CALL_REPLAY_BYTES_MAX), the
 * budget allows it, and either the method is idempotent or nothing can have been processed: the
 * connection was never made, or the pooled one had died (no byte of ours was acknowledged).
 * Failures of pooled connections before any answer do not count as attempts. Where the upstream or
 * the options have rules for hedging, there may be a second attempt beside one that is slow, see
 * hedged_call.h.
 */
#pragma once

#include "http/http_stream.h"
#include "upstream/call_breaker.h"
#include "upstream/cluster.h"
#include "upstream/deadline.h"

#define CALL_REPLAY_BYTES_MAX 65536
#define CALL_ATTEMPTS_MAX     10

/* Whom a request would go to if it can be had. */
struct call_aim {
    uint64_t key;    /* of consistent hashing; 0: none */
    uint64_t sticky; /* a target, as cookies name it; 0: none */
};

/* 0: no such timeout (connect: the default). */
struct call_options {
    /* Resolving, connect and TLS handshake of one attempt; default 5. */
    double connect_seconds;
    /* From the request's end, or the last 1xx, to the response's head; default 60. */
    double response_seconds;
    /* Between bytes of either body, while the upstream is who is waited for; default 60. */
    double idle_seconds;
    /* Of the whole call, retries included; default none. Not in tunnels. */
    double total_seconds;
    unsigned retries; /* further attempts; default 2 */
    struct call_aim aim;
    struct call_breaker *breaker;         /* besides the cluster's; borrowed, NULL: none */
    const struct call_deadline *deadline; /* likewise, NULL: none but the total */
    const struct hedge_rules *hedge;      /* borrowed, NULL: the cluster's */
};

/* All defaults. */
extern const struct call_options CALL_OPTIONS;

/* What happened, for logs and metrics; valid until the stream is released. */
struct call_record {
    struct slice target; /* "host:port" of the last attempt; empty before the first */
    uint64_t sticky;     /* ... as cookies name it; 0 before the first */
    unsigned attempts;
    unsigned hedges;              /* of these, begun beside one that was slow */
    bool is_hedge;                /* `target` is that of one of these */
    struct slice overtaken;       /* "host:port" of an attempt that another one was faster than */
    bool is_reused;               /* the last attempt went over a pooled connection */
    double started;               /* loop time */
    double connect_seconds;       /* of the last attempt; 0 when reused */
    double response_seconds;      /* from start to the response's head; 0 before it */
    enum fault fault;             /* of the last attempt */
    const char *detail;           /* text for the log, or NULL; in the arena */
    unsigned retry_after_seconds; /* when it was refused: when to ask again; 0: no idea */
    double queue_seconds;         /* for which it waited until it could be sent */
    uint64_t bytes_sent, bytes_received; /* of bodies */
};

/*
 * `options` is borrowed until the stream is released; `arena` holds the heads and the call itself.
 * Events as for a client's stream. Unlike a connection's stream it sends the head more than once:
 * the fields that `request` and `trailers` hold, and all that they point to, stay as they are until
 * on_response or on_failed.
 */
struct http_stream *call_start(struct cluster *cluster, const struct call_options *options,
                               const struct http_stream_events *events, void *data,
                               struct arena *arena);
const struct call_record *call_record(const struct http_stream *stream);
