/*
 * fill_answer — what becomes of the answer that a fill has got; for fill.c alone.
 */
#pragma once

#include "cache/fill.h"

/* For so long nobody waits for what proved not to be for the cache. */
#define FILL_PASSED_SECONDS 10

/* Its final head has come. The fill may have ended after it. */
void fill_take_response(struct fill *fill, struct response *response);
/* The call has failed, and there is a client. Ends the fill. */
void fill_fail(struct fill *fill, enum fault fault);
enum fill_passed {
    FILL_PASSED_ONCE,       /* this says nothing of what others get */
    FILL_PASSED_TO_CALLERS, /* see cache_request_is_of_caller() */
    FILL_PASSED_TO_ALL
};
/* It is not stored; for FILL_PASSED_SECONDS those do not wait for such an answer. */
void fill_uncache(struct fill *fill, enum fill_passed whose);
/* Harmless when there is none. */
void fill_give_up_refresh(struct fill *fill);
/* Asks the upstream. */
void fill_ask(struct fill *fill);
void fill_end(struct fill *fill);
