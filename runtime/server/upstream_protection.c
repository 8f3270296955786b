/*
 * upstream_protection — words and counters of the segment, read in the master.
 */
#include "server/upstream_protection.h"

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

static void print_budgets(const struct shared *shared, struct slice upstream, struct buffer *text)
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

/* False: it has no limit and no queue, or nothing has come by. */
static bool find_gate(const struct shared *shared, struct slice upstream, struct gate_view *view)
{
    size_t cursor = 0;

    while (gates_next(&shared->gates, &cursor, view)) {
        if (slice_equals(view->name, upstream))
            return true;
    }
    return false;
}

static void print_gate(const struct gate_view *gate, struct buffer *text)
{
    char piece[PIECE_BYTES];

    if (gate->limit > 0) {
        snprintf(piece, sizeof(piece), ", limit %u", (unsigned)gate->limit);
        buffer_append(text, slice_from_string(piece));
    }
    snprintf(piece, sizeof(piece), ", %" PRIu64 " under way, %" PRIu64 " waiting", gate->active,
             gate->queued);
    buffer_append(text, slice_from_string(piece));
    if (gate->limited + gate->waited + gate->expired + gate->overflowed == 0)
        return;
    snprintf(piece, sizeof(piece),
             " (%" PRIu64 " beyond the limit, %" PRIu64 " have waited, %" PRIu64
             " in vain, %" PRIu64 " found no room)",
             gate->limited, gate->waited, gate->expired, gate->overflowed);
    buffer_append(text, slice_from_string(piece));
}

void upstream_protection_print(const struct shared *shared, struct slice upstream,
                               struct buffer *text)
{
    struct gate_view gate;

    if (find_gate(shared, upstream, &gate))
        print_gate(&gate, text);
    print_budgets(shared, upstream, text);
}

/* Of that upstream; of all when it has no name. */
static void put_gates(const struct shared *shared, struct slice upstream,
                      struct json_writer *writer)
{
    struct gate_view view;
    size_t cursor = 0;

    json_writer_open_array(writer, "concurrency");
    while (gates_next(&shared->gates, &cursor, &view)) {
        if (upstream.length > 0 && !slice_equals(view.name, upstream))
            continue;
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "upstream", view.name);
        json_writer_put_number(writer, "limit", (double)(unsigned)view.limit);
        json_writer_put_number(writer, "active", (double)view.active);
        json_writer_put_number(writer, "waiting", (double)view.queued);
        json_writer_put_number(writer, "limited", (double)view.limited);
        json_writer_put_number(writer, "waited", (double)view.waited);
        json_writer_put_number(writer, "expired", (double)view.expired);
        json_writer_put_number(writer, "refused", (double)view.overflowed);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
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

static void put_all_budgets(const struct shared *shared, struct slice wanted,
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

void upstream_protection_put(const struct shared *shared, struct slice upstream,
                             struct json_writer *writer)
{
    put_gates(shared, upstream, writer);
    put_all_budgets(shared, upstream, writer);
}
