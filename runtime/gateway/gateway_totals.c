/*
 * gateway_totals — the names of the totals, and where their words are.
 */
#include "gateway/gateway_totals.h"

#include "shm/counter.h"

static uint64_t *word_of(const struct counter_table *counters, struct slice name, uint64_t *own)
{
    if (counters == NULL)
        return own;
    uint32_t slot = counter_slot(counters, COUNTER_TOTAL, name, SLICE_NONE);
    return series_mine(&counters->series, slot);
}

void gateway_totals_init(struct gateway_totals *totals, const struct counter_table *counters)
{
    *totals = (struct gateway_totals){0};
    totals->connections_accepted =
        word_of(counters, SLICE("moongate_connections_accepted_total"), &totals->own[0]);
    totals->connections_refused =
        word_of(counters, SLICE("moongate_connections_refused_total"), &totals->own[1]);
    totals->requests = word_of(counters, SLICE("moongate_http_requests_total"), &totals->own[2]);
    totals->malformed =
        word_of(counters, SLICE("moongate_http_requests_malformed_total"), &totals->own[3]);
}
