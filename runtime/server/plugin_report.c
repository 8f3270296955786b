/*
 * plugin_report — rows of shared memory, summed by plugin and sorted.
 */
#include "server/plugin_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* What people and programs are told of at most; /metrics has all of it. */
#define LINES_MAX    20
#define ROUTES_MAX   10
#define OBJECTS_MAX  100
#define LINE_BYTES   512
#define NUMBER_BYTES 32

/* The route of what has no row of its own: there is none, or there were too many. */
#define ELSEWHERE SLICE("(other)")

struct report {
    struct plugin_accounts_view *plugins, *pairs;
    size_t plugin_count, pair_count;
    uint64_t cpu_ns; /* of all */
};

static int compare(uint64_t one, uint64_t other)
{
    return one < other ? 1 : one > other ? -1 : 0;
}

static int compare_text(struct slice one, struct slice other)
{
    size_t common = one.length < other.length ? one.length : other.length;
    int order = common > 0 ? memcmp(one.start, other.start, common) : 0;
    return order != 0 ? order : compare(other.length, one.length);
}

static int by_plugin(const void *one, const void *other)
{
    const struct plugin_accounts_view *a = one, *b = other;
    return compare_text(a->plugin, b->plugin);
}

/* The most expensive first, always in the same order. */
static int by_cost(const void *one, const void *other)
{
    const struct plugin_accounts_view *a = one, *b = other;
    int order = compare(a->cost.cpu_ns, b->cost.cpu_ns);

    if (order == 0)
        order = compare(a->cost.calls, b->cost.calls);
    if (order == 0)
        order = compare_text(a->plugin, b->plugin);
    return order != 0 ? order : compare_text(a->route, b->route);
}

typedef bool next_row(const struct plugin_accounts *, size_t *, struct plugin_accounts_view *);

static void collect(struct report *report, const struct plugin_accounts *accounts, next_row *next,
                    size_t count_max)
{
    struct plugin_accounts_view view;
    size_t cursor = 0;

    for (size_t i = 0; i < count_max && next(accounts, &cursor, &view); i++) {
        if (view.route.start == NULL)
            view.route = ELSEWHERE;
        if (view.cost.calls > 0 || view.cost.errors > 0 || view.cost.cpu_ns > 0)
            report->pairs[report->pair_count++] = view;
    }
}

static void add(struct plugin_cost *sum, const struct plugin_cost *cost)
{
    sum->calls += cost->calls;
    sum->errors += cost->errors;
    sum->cpu_ns += cost->cpu_ns;
    sum->wait_ns += cost->wait_ns;
    sum->measured += cost->measured;
}

/* Of pairs that are sorted by plugin. */
static void sum_up(struct report *report)
{
    for (size_t i = 0; i < report->pair_count; i++) {
        const struct plugin_accounts_view *pair = &report->pairs[i];
        if (i == 0 || by_plugin(pair - 1, pair) != 0)
            report->plugins[report->plugin_count++] =
                (struct plugin_accounts_view){.plugin = pair->plugin};
        add(&report->plugins[report->plugin_count - 1].cost, &pair->cost);
        report->cpu_ns += pair->cost.cpu_ns;
    }
}

static void make(struct report *report, const struct plugin_accounts *accounts)
{
    size_t count_max = PLUGIN_ACCOUNTS_PLUGINS_MAX + PLUGIN_ACCOUNTS_PAIRS_MAX;

    *report = (struct report){
        .plugins = mem_zeroed_array(count_max, sizeof(*report->plugins)),
        .pairs = mem_zeroed_array(count_max, sizeof(*report->pairs)),
    };
    collect(report, accounts, plugin_accounts_next_pair, PLUGIN_ACCOUNTS_PAIRS_MAX);
    collect(report, accounts, plugin_accounts_next_plugin, PLUGIN_ACCOUNTS_PLUGINS_MAX);
    qsort(report->pairs, report->pair_count, sizeof(*report->pairs), by_plugin);
    sum_up(report);
    qsort(report->pairs, report->pair_count, sizeof(*report->pairs), by_cost);
    qsort(report->plugins, report->plugin_count, sizeof(*report->plugins), by_cost);
}

static void clear(struct report *report)
{
    free(report->plugins);
    free(report->pairs);
}

/* ---- for people ---- */

static void put_line(struct buffer *into, const char *line, int length)
{
    size_t kept = length < LINE_BYTES ? (size_t)length : LINE_BYTES - 1;
    buffer_append(into, slice_of(line, kept));
    buffer_append(into, SLICE("\n"));
}

/* Of one call: "0.42 us"; "-" where nothing was measured. */
static const char *time_text(uint64_t nanoseconds, uint64_t measured, char text[NUMBER_BYTES])
{
    if (nanoseconds == 0 || measured == 0)
        return "-";
    double each = (double)nanoseconds / (double)measured;
    const char *unit = each < 1e6 ? "us" : each < 1e9 ? "ms" : "s";
    double divisor = each < 1e6 ? 1e3 : each < 1e9 ? 1e6 : 1e9;

    snprintf(text, NUMBER_BYTES, "%.2f %s", each / divisor, unit);
    return text;
}

static void put_head(struct buffer *into, const char *what)
{
    char line[LINE_BYTES];
    int length = snprintf(line, sizeof(line), "%-22s %12s %8s %11s %11s %6s", what, "calls",
                          "errors", "cpu/call", "wait/call", "share");
    put_line(into, line, length);
}

static void put_row(struct buffer *into, const struct report *report,
                    const struct plugin_accounts_view *row)
{
    char line[LINE_BYTES], cpu[NUMBER_BYTES], wait[NUMBER_BYTES];
    const struct plugin_cost *cost = &row->cost;
    double share = report->cpu_ns > 0 ? 100 * (double)cost->cpu_ns / (double)report->cpu_ns : 0;
    int length =
        snprintf(line, sizeof(line), "  %-20.*s %12llu %8llu %11s %11s %4.0f %%  %.*s",
                 SLICE_FORMAT(row->plugin), (unsigned long long)cost->calls,
                 (unsigned long long)cost->errors, time_text(cost->cpu_ns, cost->measured, cpu),
                 time_text(cost->wait_ns, cost->measured, wait), share, SLICE_FORMAT(row->route));

    while (length > 0 && length < LINE_BYTES && line[length - 1] == ' ')
        length--;
    put_line(into, line, length);
}

static void put_rows(struct buffer *into, const struct report *report,
                     const struct plugin_accounts_view *rows, size_t count, size_t shown_max)
{
    char line[LINE_BYTES];
    size_t shown = count < shown_max ? count : shown_max;

    for (size_t i = 0; i < shown; i++)
        put_row(into, report, &rows[i]);
    if (shown < count)
        put_line(
            into, line,
            snprintf(line, sizeof(line), "  ... and %zu more, which /metrics has", count - shown));
}

void plugin_report_print(const struct plugin_accounts *accounts, struct buffer *into)
{
    struct report report;

    make(&report, accounts);
    if (report.plugin_count > 0) {
        put_head(into, "plugins");
        put_rows(into, &report, report.plugins, report.plugin_count, LINES_MAX);
        put_head(into, "plugins on routes");
        put_rows(into, &report, report.pairs, report.pair_count, ROUTES_MAX);
    }
    clear(&report);
}

/* ---- for programs ---- */

static void write_seconds(struct json_writer *writer, const char *key, double nanoseconds)
{
    char text[NUMBER_BYTES];
    int length = snprintf(text, sizeof(text), "%.9f", nanoseconds * 1e-9);

    json_writer_put_raw(writer, key, slice_of(text, (size_t)length));
}

static void write_times(struct json_writer *writer, const struct plugin_cost *cost)
{
    write_seconds(writer, "cpu_seconds", (double)cost->cpu_ns);
    write_seconds(writer, "wait_seconds", (double)cost->wait_ns);
    if (cost->measured == 0)
        return;
    write_seconds(writer, "cpu_per_call", (double)cost->cpu_ns / (double)cost->measured);
    write_seconds(writer, "wait_per_call", (double)cost->wait_ns / (double)cost->measured);
}

static void write_rows(struct json_writer *writer, const char *key,
                       const struct plugin_accounts_view *rows, size_t count)
{
    json_writer_open_array(writer, key);
    for (size_t i = 0; i < count; i++) {
        const struct plugin_accounts_view *row = &rows[i];
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "plugin", row->plugin);
        if (row->route.start != NULL)
            json_writer_put_text(writer, "route", row->route);
        json_writer_put_number(writer, "calls", (double)row->cost.calls);
        json_writer_put_number(writer, "errors", (double)row->cost.errors);
        write_times(writer, &row->cost);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}

void plugin_report_write(const struct plugin_accounts *accounts, struct json_writer *writer)
{
    struct report report;

    make(&report, accounts);
    size_t shown = report.pair_count < OBJECTS_MAX ? report.pair_count : OBJECTS_MAX;
    write_rows(writer, "plugins", report.plugins, report.plugin_count);
    write_rows(writer, "plugins_on_routes", report.pairs, shown);
    json_writer_put_number(writer, "plugins_on_routes_left_out",
                           (double)(report.pair_count - shown));
    clear(&report);
}
