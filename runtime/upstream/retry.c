/*
 * retry — the rules, from the most forbidding to the most lenient.
 */
#include "upstream/retry.h"

enum retry_verdict retry_decide(const struct retry_facts *facts)
{
    if (facts->has_answer || !fault_is_retryable(facts->fault))
        return RETRY_NEVER;
    if (!facts->was_sent)
        return RETRY_COUNTED;
    if (!facts->is_replayable)
        return RETRY_NEVER;
    if (!facts->is_idempotent && !facts->is_untouched)
        return RETRY_NEVER;
    /* Servers close idle connections at any time: nobody's fault. */
    if (facts->is_reused && facts->fault == FAULT_UPSTREAM_CLOSED)
        return RETRY_FREE;
    return RETRY_COUNTED;
}
