/*
 * cache_counters — names of counters, and labels with the route's.
 */
#include "cache/cache_counters.h"

#include <stdio.h>

/* Room for a route's name with escapes, and an outcome; longer ones are cut off. */
#define LABELS_BYTES_MAX 768
#define ROUTE_BYTES_MAX  300

static const char *const OUTCOMES[CACHE_OUTCOME_COUNT] = {
    [CACHE_OUTCOME_HIT] = "hit",         [CACHE_OUTCOME_STALE] = "stale",
    [CACHE_OUTCOME_MISS] = "miss",       [CACHE_OUTCOME_REVALIDATED] = "revalidated",
    [CACHE_OUTCOME_EXPIRED] = "expired", [CACHE_OUTCOME_BYPASS] = "bypass",
};

/* As the text format wants it in quotes. */
static size_t put_escaped(char *to, struct slice text)
{
    size_t length = 0;

    for (size_t i = 0; i < text.length && i < ROUTE_BYTES_MAX; i++) {
        char c = text.start[i];
        if (c == '"' || c == '\\')
            to[length++] = '\\';
        to[length++] = c == '\n' ? ' ' : c;
    }
    return length;
}

/* `outcome` NULL: the route alone. */
static uint32_t look_up(const struct cache_counters *counters, const struct counter_table *table,
                        struct slice name, const char *outcome)
{
    char labels[LABELS_BYTES_MAX], route[2 * ROUTE_BYTES_MAX];
    int escaped = (int)put_escaped(route, counters->route);
    int length = outcome != NULL
                     ? snprintf(labels, sizeof(labels), "outcome=\"%s\",route=\"%.*s\"", outcome,
                                escaped, route)
                     : snprintf(labels, sizeof(labels), "route=\"%.*s\"", escaped, route);

    return counter_slot_of_many(table, COUNTER_TOTAL, name, slice_of(labels, (size_t)length));
}

/* Remembers a slot as one more than it is. */
static uint32_t slot_of(struct cache_counters *counters, const struct counter_table *table,
                        uint32_t *known, struct slice name, const char *outcome)
{
    if (*known == 0)
        *known = look_up(counters, table, name, outcome) + 1;
    return *known - 1;
}

/* What has no lifetime left and came from here, whoever was asked before. */
static bool was_stale(const struct cache_status *status)
{
    return status->has_ttl && status->ttl < 0 && !status->is_stored;
}

enum cache_outcome cache_outcome_of(const struct cache_status *status)
{
    if (was_stale(status))
        return CACHE_OUTCOME_STALE;
    switch (status->forward) {
    case CACHE_FORWARD_NONE:
        return CACHE_OUTCOME_HIT;
    case CACHE_FORWARD_BYPASS:
    case CACHE_FORWARD_METHOD:
        return CACHE_OUTCOME_BYPASS;
    case CACHE_FORWARD_URI_MISS:
    case CACHE_FORWARD_VARY_MISS:
    case CACHE_FORWARD_MISS:
    case CACHE_FORWARD_FORBIDDEN:
        return CACHE_OUTCOME_MISS;
    case CACHE_FORWARD_REQUEST:
    case CACHE_FORWARD_STALE:
    case CACHE_FORWARD_PARTIAL:
        return status->forward_status == 304 ? CACHE_OUTCOME_REVALIDATED : CACHE_OUTCOME_EXPIRED;
    }
    return CACHE_OUTCOME_MISS;
}

const char *cache_outcome_text(enum cache_outcome outcome)
{
    return OUTCOMES[outcome];
}

static void count_bytes(struct cache_counters *counters, const struct counter_table *table,
                        const struct response *response)
{
    if (response->body == BODY_LENGTH)
        counter_add(table,
                    slot_of(counters, table, &counters->bytes,
                            SLICE("moongate_cache_answered_bytes_total"), NULL),
                    response->content_length);
}

void cache_counters_answer(struct cache_counters *counters, const struct counter_table *table,
                           const struct cache_status *status, const struct response *response)
{
    enum cache_outcome outcome = cache_outcome_of(status);

    counter_add(table,
                slot_of(counters, table, &counters->outcomes[outcome],
                        SLICE("moongate_cache_requests_total"), OUTCOMES[outcome]),
                1);
    if (status->is_collapsed)
        counter_add(table,
                    slot_of(counters, table, &counters->collapsed,
                            SLICE("moongate_cache_requests_collapsed_total"), NULL),
                    1);
    if (outcome == CACHE_OUTCOME_HIT || outcome == CACHE_OUTCOME_STALE ||
        outcome == CACHE_OUTCOME_REVALIDATED)
        count_bytes(counters, table, response);
}
