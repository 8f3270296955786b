/*
 * upstream_budgets — words and counters of the segment, read in the master.
 */
#include "server/upstream_budgets.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "shm/shared.h"
#include "upstream/hedging.h"
#include "upstream/roster.h"

#define PIECE_BYTES 160

static void print_retries(const struct roster_budgets *is, struct buffer *text)
{
    char piece[PIECE_BYTES];

    snprintf(piece, sizeof(piece),
             ", %" PRIu64 " retries of %" PRIu64 " requests (%" PRIu64 " refused)",
             is->retries.retries, is->retries.requests, is->retries_refused);
    buffer_append(text, slice_from_string(piece));
}

static void print_hedges(const struct roster_budgets *is, const struct hedge_totals *totals,
                         struct buffer *text)
{
    char piece[PIECE_BYTES];

    snprintf(piece, sizeof(piece),
             ", %" PRIu64 " hedges of %" PRIu64 " requests (%" PRIu64 " sent, %" PRIu64
             " won, %" PRIu64 " refused, %" PRIu64 " only reported)",
             is->hedges.retries, is->hedges.requests, totals->sent, totals->won, totals->refused,
             totals->reported);
    buffer_append(text, slice_from_string(piece));
}

void upstream_budgets_print(const struct shared *shared, struct slice upstream, struct buffer *text)
{
    struct hedge_totals totals = hedging_totals(&shared->counters, upstream);
    struct roster_budgets is;

    if (!roster_budgets_of(&shared->targets, upstream, clock_monotonic(), &is))
        return;
    if (is.retries.retries > 0 || is.retries_refused > 0)
        print_retries(&is, text);
    if (is.hedges.requests > 0 || totals.sent + totals.refused + totals.reported > 0)
        print_hedges(&is, &totals, text);
}

/* An object that is left open. */
static void put_budget(struct json_writer *writer, const char *name,
                       const struct retry_budget_state *budget)
{
    json_writer_open_object(writer, name);
    json_writer_put_number(writer, "requests", (double)budget->requests);
    json_writer_put_number(writer, "taken", (double)budget->retries);
}

static void put_budgets(const struct roster_budgets *is, const struct hedge_totals *totals,
                        struct json_writer *writer)
{
    put_budget(writer, "retries", &is->retries);
    json_writer_put_number(writer, "refused", (double)is->retries_refused);
    json_writer_close_object(writer);
    put_budget(writer, "hedges", &is->hedges);
    json_writer_put_number(writer, "sent", (double)totals->sent);
    json_writer_put_number(writer, "won", (double)totals->won);
    json_writer_put_number(writer, "refused", (double)totals->refused);
    json_writer_put_number(writer, "reported", (double)totals->reported);
    json_writer_close_object(writer);
}

void upstream_budgets_put(const struct shared *shared, struct slice wanted,
                          struct json_writer *writer)
{
    struct roster_budgets is;
    struct slice upstream;
    uint32_t cursor = 0;

    json_writer_open_array(writer, "budgets");
    while (roster_next_upstream(&shared->targets, &cursor, &upstream)) {
        if ((wanted.length > 0 && !slice_equals(upstream, wanted)) ||
            !roster_budgets_of(&shared->targets, upstream, clock_monotonic(), &is))
            continue;
        struct hedge_totals totals = hedging_totals(&shared->counters, upstream);
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "upstream", upstream);
        put_budgets(&is, &totals, writer);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}
