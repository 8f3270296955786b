/*
 * exchange — one request with its response, from the client to an upstream and back.
 *
 * Knows two streams, not connections: the client's (`downstream`) and the call's (`upstream`), and
 * relays bodies between them at the slower one's pace. Whom it asks for decisions is `phases`.
 * Lives in a pool: its memory is never given back while the worker lives, so `serial` can always be
 * read; it changes when the exchange ends.
 */
#pragma once

#include "base/arena.h"
#include "gateway/downstream.h"
#include "gateway/phases.h"
#include "gateway/route.h"
#include "gateway/route_matcher.h"
#include "http/http_stream.h"

enum exchange_step {
    EXCHANGE_IDLE,       /* in the pool */
    EXCHANGE_RECEIVING,  /* waits for the request's head */
    EXCHANGE_DECIDING,   /* phases->request has not answered yet */
    EXCHANGE_FORWARDING, /* the call is under way, no final response yet */
    EXCHANGE_RESPONDING, /* phases->response has not answered yet */
    EXCHANGE_SENDING,    /* the final head has been sent, the body goes on */
    EXCHANGE_TUNNEL,     /* opaque both ways */
    EXCHANGE_ENDED       /* logging, then back to the pool */
};

/* An answer the gateway makes itself. Its texts are static, or in the exchange's arena. */
struct reply {
    int status;
    const struct header *headers; /* id may be HEADER_OTHER: it is looked up */
    size_t header_count;
    struct slice body;
};

/* What a worker's exchanges share; one per worker. */
struct gateway;

struct exchange {
    double serial; /* unique per exchange; 0 while idle. A double, so that Lua compares it without
                      boxing. */
    uint32_t slot; /* of the pool, for good */
    enum exchange_step step;
    struct gateway *gateway;
    struct generation *generation;
    struct downstream
        *connection; /* who the client is; borrowed, NULL after the client's connection has gone */
    struct http_stream *downstream, *upstream;
    const struct http_stream
        *cached; /* the cached call that upstream is or was; NULL: it is none */
    struct arena arena;

    struct request *request;   /* NULL when what came could not be parsed */
    struct response *response; /* being sent; NULL before */
    const struct route *route; /* NULL: none matched */
    unsigned phases;           /* of enum route_phase: what the bridge wants to be called for */
    struct route_match match;
    struct slice id; /* the request id: set by policy or made at the first need (exchange_id) */
    struct slice trace_id;    /* of a valid traceparent (32 hex digits), else empty */
    struct slice client_host; /* address text after the trusted-proxy list was applied */
    struct slice forward_path, forward_query; /* what goes upstream when set (start not NULL) by
                                                 policy; else route->rewrite or the request's */
    struct call_options call; /* *route->call, changeable by policy before exchange_forward */
    struct cluster *cluster;  /* where to: route->cluster, changeable by policy */
    const struct cache_policy *cache; /* route->cache; NULL: the cache has no part in it */
    struct slice cache_consumer;      /* for policies whose keys have it; set by policy */
    bool is_rerouted;                 /* `cluster` was set by policy */
    bool is_authenticated;            /* policy has found out who asks */
    uint64_t body_bytes_max;

    enum fault fault;          /* why it failed; FAULT_NONE */
    struct call_record record; /* of the call, kept after it has been released */
    double started, responded,
        ended; /* loop time: head complete, final head sent, last byte; 0 before */
    uint64_t request_body_bytes, response_body_bytes;
    bool is_aborted;      /* the response was cut off */
    bool is_gateway_made; /* the response did not come from an upstream */
    void *task;           /* the phases implementation's own, from acquire to release */

    /* private to the files of gateway/ */
    struct exchange_private {
        struct exchange *next_free;
        struct loop_deferred deferred;  /* answers that may not be given from inside a call */
        struct timeout *deadline_timer; /* see exchange_deadline.h; NULL: none */
        double deadline_at;             /* of loop_monotonic(); 0: none */
        bool request_complete;          /* on_end of the request came, or it has no body */
        bool response_complete;         /* on_end of the response came */
        bool is_discarding;             /* what still comes of the request's body goes nowhere */
        bool is_head_sent;              /* the final response's */
        bool is_chunk_pending;          /* phases->response_chunk has not answered */
        bool is_last_chunk;             /* ... and it was asked about the last one */
        bool is_whole_chunk;     /* it was asked about a collected body: the last one is next */
        bool is_large_chunk;     /* response_body is its answer, collection.buffer holds it */
        bool is_upstream_failed; /* while the response phase was waiting */
        bool is_tunnel_down_ended, is_tunnel_up_ended;
        bool is_tunnel_sent; /* all that the upstream said is with the client's kernel */
        bool has_request_body, has_response_body; /* memory bodies below are to be sent */
        struct slice request_body, response_body; /* what is left of bodies sent from memory */
        struct collection {                       /* of a whole body, while a policy waits for it */
            bool is_active;
            struct buffer buffer;
            enum fault fault;
            void (*collected)(void *data, enum fault fault, struct slice body);
            void *data;
        } collection;
    } private;
};

/* Of its call, also of one that has been released. */
const struct call_record *exchange_call_record(const struct exchange *exchange);
/* Answers phases->request: on to exchange->cluster, with exchange->request as it is now. */
void exchange_forward(struct exchange *exchange);
/* Answers phases->request or phases->response: this instead. From the request phase the response
 * phase still follows. */
void exchange_reply(struct exchange *exchange, const struct reply *reply);
/* Answers phases->request or phases->response with a problem document (RFC 9457) of that fault;
 * closes nothing. */
void exchange_fail(struct exchange *exchange, enum fault fault) COLD;
/* Answers phases->response: exchange->response as it is now. */
void exchange_respond(struct exchange *exchange);
/* In the response phase: exchange->response becomes this reply, the upstream's is dropped. Not an
 * answer yet: the phase goes on. */
void exchange_replace_response(struct exchange *exchange, const struct reply *reply);
/*
 * In the response phase: collects the response's whole body, at most `bytes_max`; otherwise as
 * exchange_collect_body. Then exchange_replace_response_body (or exchange_respond for the body as
 * it was).
 */
void exchange_collect_response_body(struct exchange *exchange, uint64_t bytes_max,
                                    void (*collected)(void *data, enum fault fault,
                                                      struct slice body),
                                    void *data);
void exchange_replace_response_body(struct exchange *exchange, struct slice body);
/* Answers phases->response_chunk. */
void exchange_chunk_done(struct exchange *exchange, struct slice replacement);
/* A phase after the response's head raised: the rest is cut off so that the client can tell. */
void exchange_abort(struct exchange *exchange, enum fault fault) COLD;

/*
 * Collects the request's whole body, at most `bytes_max` (sends 100 Continue where asked for).
 * `collected` is called later, once, with FAULT_NONE and the body (in the arena), or a fault; never
 * after the exchange has ended. A later exchange_forward sends the collected body.
 */
void exchange_collect_body(struct exchange *exchange, uint64_t bytes_max,
                           void (*collected)(void *data, enum fault fault, struct slice body),
                           void *data);
/* Sends this instead of the body the client sends, which is discarded. Before exchange_forward.
 * Copied. */
void exchange_replace_body(struct exchange *exchange, struct slice body);
/* The request id, made (32 hex digits, random) when there is none yet. */
struct slice exchange_id(struct exchange *exchange);

/* For gateway/downstream.c: a stream has begun on that connection. Takes an exchange from the pool.
 */
void exchange_begin(struct gateway *gateway, struct downstream *connection,
                    struct http_stream *stream);

static inline bool exchange_is_alive(const struct exchange *exchange, double serial)
{
    return exchange->serial == serial;
}
