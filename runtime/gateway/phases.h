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
    /* A new exchange takes a reference to the generation that will decide on it. */
    struct generation *(*acquire)(void *data);
    void (*release)(void *data, struct generation *generation);

    /* The head is there: find the route and run its plugins. Answer: exchange_forward, or exchange_reply. Sets exchange->route. */
    void (*request)(struct exchange *exchange);
    /* A head is about to be sent (also one the gateway made). Answer: exchange_respond, or exchange_reply. */
    void (*response)(struct exchange *exchange);
    /* A piece of the body, for routes with ROUTE_RESPONSE_CHUNK. Answer: exchange_chunk_done with what to send instead. */
    void (*response_chunk)(struct exchange *exchange, struct slice chunk, bool last);
    /* The exchange has ended, whatever the outcome; must not wait. */
    void (*log)(struct exchange *exchange);
    /* The exchange ends while a phase still waits: it must not answer any more. */
    void (*cancel)(struct exchange *exchange);
};
