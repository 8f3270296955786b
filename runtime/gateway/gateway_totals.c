/*
 * gateway_totals — the names of the totals, and where their words are.
 */
#include "gateway/gateway_totals.h"

#include "shm/counter.h"

static uint64_t *labelled_word(const struct counter_table *counters, struct slice name,
                               struct slice labels, uint64_t *own)
{
    if (counters == NULL)
        return own;
    uint32_t slot = counter_slot(counters, COUNTER_TOTAL, name, labels);
    return series_mine(&counters->series, slot);
}

static uint64_t *word_of(const struct counter_table *counters, struct slice name, uint64_t *own)
{
    return labelled_word(counters, name, SLICE_NONE, own);
}

static void init_deadlines(struct gateway_totals *totals, const struct counter_table *counters)
{
    struct slice ended = SLICE("moongate_deadlines_ended_total");

    totals->deadlines_before =
        labelled_word(counters, ended, SLICE("where=\"before\""), &totals->own[4]);
    totals->deadlines_waiting =
        labelled_word(counters, ended, SLICE("where=\"waiting\""), &totals->own[5]);
    totals->deadlines_answering =
        labelled_word(counters, ended, SLICE("where=\"answering\""), &totals->own[6]);
    totals->deadlines_malformed =
        word_of(counters, SLICE("moongate_deadlines_malformed_total"), &totals->own[7]);
    totals->deadlines_reported =
        word_of(counters, SLICE("moongate_deadlines_reported_total"), &totals->own[8]);
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
    init_deadlines(totals, counters);
}
