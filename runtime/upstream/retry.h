/*
 * retry — whether a failed attempt of a request may be followed by another one.
 *
 * Pure: facts in, verdict out. RFC 9110, 9.2.2: what is not idempotent is sent again only where
 * the first one cannot have been processed.
 */
#pragma once

#include <stdbool.h>

#include "base/fault.h"

/* About the attempt that failed. */
struct retry_facts {
    enum fault fault;
    bool is_idempotent; /* the method */
    bool is_replayable; /* all of the body sent so far is still here */
    bool has_answer;    /* any part of a response, 1xx included, was handed on */
    bool was_sent;      /* a connection was there, and the head went into it */
    bool is_reused;     /* that connection had carried a request before */
    bool is_untouched;  /* of the bytes sent none was acknowledged by the peer's kernel */
};

enum retry_verdict {
    RETRY_NEVER,
    RETRY_FREE,   /* the connection had died in the pool: again on a fresh one, not counted */
    RETRY_COUNTED /* as a further attempt, if there is one left and the budget allows it */
};

enum retry_verdict retry_decide(const struct retry_facts *facts);
