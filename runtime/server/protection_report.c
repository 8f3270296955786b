/*
 * protection_report — the tables of the segment, one after the other.
 */
#include "server/protection_report.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"
#include "server/upstream_protection.h"
#include "shm/shared.h"
#include "upstream/roster.h"

#define LINE_BYTES 512

/* Two bits of what workers write: a mad one may have written any. */
static const char *const STATES[4] = {
    [BREAKER_CLOSED] = "closed",
    [BREAKER_OPEN] = "open",
    [BREAKER_HALF_OPEN] = "half-open",
    [BREAKER_HALF_OPEN + 1] = "unknown",
};

/* What is counted without an upstream's name. */
struct total {
    const char *name;
    const char *metric, *labels;
};

static const struct total DEADLINES[] = {
    {"before", "moongate_deadlines_ended_total", "where=\"before\""},
    {"waiting", "moongate_deadlines_ended_total", "where=\"waiting\""},
    {"answering", "moongate_deadlines_ended_total", "where=\"answering\""},
    {"malformed", "moongate_deadlines_malformed_total", ""},
    {"reported", "moongate_deadlines_reported_total", ""},
};

static const struct total SHED[] = {
    {"low", "moongate_shed_total", "criticality=\"low\""},
    {"normal", "moongate_shed_total", "criticality=\"normal\""},
    {"high", "moongate_shed_total", "criticality=\"high\""},
};

static uint64_t value_of(const struct shared *shared, const struct total *total)
{
    uint32_t slot = counter_find(&shared->counters, COUNTER_TOTAL, slice_from_string(total->metric),
                                 slice_from_string(total->labels));
    return slot != COUNTER_OVERFLOW ? (uint64_t)counter_value(&shared->counters, slot) : 0;
}

static void print_breakers(const struct shared *shared, struct buffer *into)
{
    struct breaker_view view;
    size_t cursor = 0;

    while (breakers_next(&shared->breakers, &cursor, &view)) {
        char line[LINE_BYTES];
        if (view.opened == 0)
            continue;
        int length =
            snprintf(line, sizeof(line),
                     "breaker        %.*s is %s, has opened %" PRIu64 " times and refused %" PRIu64
                     " requests\n",
                     SLICE_FORMAT(view.name), STATES[view.state], view.opened, view.refused);
        if (length > 0 && (size_t)length < sizeof(line))
            buffer_append(into, slice_of(line, (size_t)length));
    }
}

/* Those that have something to tell. */
static void print_upstreams(const struct shared *shared, struct buffer *into)
{
    struct slice upstream;
    uint32_t cursor = 0;

    while (roster_next_upstream(&shared->targets, &cursor, &upstream)) {
        struct buffer text;
        buffer_init(&text, LINE_BYTES, NULL);
        upstream_protection_print(shared, upstream, &text);
        struct slice said = buffer_slice(&text);
        if (said.length > 0) {
            buffer_append(into, SLICE("upstream       "));
            buffer_append(into, upstream);
            buffer_append(into, said);
            buffer_append(into, SLICE("\n"));
        }
        buffer_clear(&text);
    }
}

static void print_totals(const struct shared *shared, const char *title, const struct total *totals,
                         size_t count, struct buffer *into)
{
    char line[LINE_BYTES];
    uint64_t sum = 0;
    int length = snprintf(line, sizeof(line), "%-15s", title);

    for (size_t i = 0; i < count; i++) {
        uint64_t value = value_of(shared, &totals[i]);
        sum += value;
        length += snprintf(line + length, sizeof(line) - (size_t)length, "%s%" PRIu64 " %s",
                           i > 0 ? ", " : "", value, totals[i].name);
    }
    if (sum == 0)
        return;
    buffer_append(into, slice_of(line, (size_t)length));
    buffer_append(into, SLICE("\n"));
}

void protection_report_print(const struct shared *shared, struct buffer *into)
{
    print_breakers(shared, into);
    print_upstreams(shared, into);
    print_totals(shared, "deadlines", DEADLINES, ARRAY_LENGTH(DEADLINES), into);
    print_totals(shared, "shed", SHED, ARRAY_LENGTH(SHED), into);
}

static void write_breakers(const struct shared *shared, struct json_writer *writer)
{
    struct breaker_view view;
    size_t cursor = 0;

    json_writer_open_array(writer, "breakers");
    while (breakers_next(&shared->breakers, &cursor, &view)) {
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "name", view.name);
        json_writer_put_string(writer, "state", STATES[view.state]);
        json_writer_put_number(writer, "opened", (double)view.opened);
        json_writer_put_number(writer, "refused", (double)view.refused);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}

static void write_totals(const struct shared *shared, const char *name, const struct total *totals,
                         size_t count, struct json_writer *writer)
{
    json_writer_open_object(writer, name);
    for (size_t i = 0; i < count; i++)
        json_writer_put_number(writer, totals[i].name, (double)value_of(shared, &totals[i]));
    json_writer_close_object(writer);
}

void protection_report_write(const struct shared *shared, struct json_writer *writer)
{
    json_writer_open_object(writer, "protection");
    write_breakers(shared, writer);
    upstream_protection_put(shared, SLICE_NONE, writer);
    write_totals(shared, "deadlines", DEADLINES, ARRAY_LENGTH(DEADLINES), writer);
    write_totals(shared, "shed", SHED, ARRAY_LENGTH(SHED), writer);
    json_writer_close_object(writer);
}
