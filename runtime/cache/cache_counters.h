/*
 * cache_counters — what became of the requests of a route, counted where all workers see it.
 *
 * One of each route that is cached, in the generation's memory; its places among the counters are
 * looked up when they are first needed, so routes that nobody asks for take none.
 */
#pragma once

#include "cache/cache_status.h"
#include "shm/counter.h"

enum cache_outcome {
    CACHE_OUTCOME_HIT,
    CACHE_OUTCOME_STALE,       /* answered with what was stale */
    CACHE_OUTCOME_MISS,        /* nothing was there */
    CACHE_OUTCOME_REVALIDATED, /* the upstream has confirmed what was there */
    CACHE_OUTCOME_EXPIRED,     /* it has sent another answer instead */
    CACHE_OUTCOME_BYPASS,      /* not looked up, by the policy or for its method */
    CACHE_OUTCOME_COUNT
};

struct cache_counters {
    struct slice route;
    /* Slots of the table, each one more than it is; 0: not looked up yet. */
    uint32_t outcomes[CACHE_OUTCOME_COUNT];
    uint32_t collapsed, bytes;
};

enum cache_outcome cache_outcome_of(const struct cache_status *status);
/* As in the counters' label: "revalidated". */
const char *cache_outcome_text(enum cache_outcome outcome);

/*
 * An answer's head is on its way: moongate_cache_requests_total by outcome, _collapsed_total where
 * it waited for somebody else's request, and the bytes of its body where they come from the cache.
 */
void cache_counters_answer(struct cache_counters *counters, const struct counter_table *table,
                           const struct cache_status *status, const struct response *response);
