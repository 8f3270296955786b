/*
 * phases — the calls by which the gateway asks somebody else to decide.
 *
 * The gateway declares them, the bridge to Lua implements them, and tests
 * may: the core runs without Lua. Each call is answered exactly once, now or later, by the
 * function of exchange.h that it names; the log phase needs no answer.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct exchange;
struct generation;

struct phases {
    /*
     * A new exchange begins: take a reference to the generation that will decide on it
     * (exchange->generation), and set exchange->phases to those of the `use` plugins, which hold
     * until a route is found. The listener it came from: exchange->connection->listen. Release
     * gives the reference back.
     */
    void (*acquire)(struct exchange *exchange);
    void (*release)(struct exchange *exchange);

    /*
     * The head is there: find the route and run its plugins. Sets exchange->route, phases, match,
     * call, cluster, body_bytes_max. Answer: exchange_forward, exchange_reply or exchange_fail.
     */
    void (*request)(struct exchange *exchange);
    /* A head is about to be sent (also one the gateway made), and phases has ROUTE_RESPONSE or
     * ROUTE_RESPONSE_BODY. True: all is done that is to be done with it. False, or NULL: nothing,
     * response() is next. */
    bool (*edit)(struct exchange *exchange);
    /* The same, with the body held up meanwhile. Answer: exchange_respond, exchange_reply or
     * exchange_fail. */
    void (*response)(struct exchange *exchange);
    /* A piece of the body, for routes with ROUTE_RESPONSE_CHUNK. Answer: exchange_chunk_done with
     * what to send instead. */
    void (*response_chunk)(struct exchange *exchange, struct slice chunk, bool last);
    /* The exchange has ended, whatever the outcome, and phases has ROUTE_LOG; must not wait.
     * exchange->request is NULL when what came was no request. */
    void (*log)(struct exchange *exchange);
    /* The exchange ends while a phase still waits: it must not answer any more. */
    void (*cancel)(struct exchange *exchange);

    /* A reference to a generation for what goes on without its exchange, and back. Not needed where
     * no route is cached. */
    void (*hold)(void *generation);
    void (*let_go)(void *generation);
};
