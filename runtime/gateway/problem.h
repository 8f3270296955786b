/*
 * problem — errors that the gateway makes, as RFC 9457 documents (or HTML or text where Accept
 * prefers it).
 *
 * Says nothing internal: a type, a title, a status, a detail meant for the client and the request
 * id as `instance`.
 */
#pragma once

#include "gateway/exchange.h"

struct problem {
    int status;
    struct slice type;       /* last part of the type URI: "unknown-key" */
    struct slice detail;     /* a sentence; may be empty */
    struct slice extensions; /* further JSON members without braces: "\"limit\":5"; may be empty */
    const struct header *headers; /* added to the answer's; may be NULL */
    size_t header_count;
};

/* A reply made from it, in the exchange's arena, for exchange_reply or exchange_replace_response.
 */
struct reply problem_reply(struct exchange *exchange, const struct problem *problem);
/* The same for a fault, with Proxy-Status (RFC 9209) where an upstream was at fault, Allow for
 * METHOD_NOT_ALLOWED is the caller's. */
struct reply problem_reply_of_fault(struct exchange *exchange, enum fault fault);
