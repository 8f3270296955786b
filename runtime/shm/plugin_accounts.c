/*
 * plugin_accounts — series whose rows are the words of a cost.
 */
#include "shm/plugin_accounts.h"

#define NAME_BYTES_AVERAGE 32
#define PAIR_BYTES_AVERAGE 96

enum word { CALLS, ERRORS, CPU_NS, WAIT_NS, WORDS };

static struct series_limits limits_of(uint32_t lanes, uint32_t rows, size_t name_bytes)
{
    return (struct series_limits){
        .lanes = lanes, .rows = rows, .words = WORDS, .text_bytes = rows * name_bytes};
}

static struct series_limits plugins_of(uint32_t lanes)
{
    return limits_of(lanes, PLUGIN_ACCOUNTS_PLUGINS_MAX, NAME_BYTES_AVERAGE);
}

static struct series_limits pairs_of(uint32_t lanes)
{
    return limits_of(lanes, PLUGIN_ACCOUNTS_PAIRS_MAX, PAIR_BYTES_AVERAGE);
}

size_t plugin_accounts_bytes(uint32_t lanes)
{
    struct series_limits plugins = plugins_of(lanes), pairs = pairs_of(lanes);
    return series_bytes(&plugins) + series_bytes(&pairs);
}

bool plugin_accounts_init(struct plugin_accounts *accounts, struct segment *segment, uint32_t lanes)
{
    struct series_limits plugins = plugins_of(lanes), pairs = pairs_of(lanes);
    return series_init(&accounts->plugins, segment, "plugins", &plugins) &&
           series_init(&accounts->pairs, segment, "plugins on routes", &pairs);
}

void plugin_accounts_attach(struct plugin_accounts *accounts, uint32_t lane)
{
    series_attach(&accounts->plugins, lane);
    series_attach(&accounts->pairs, lane);
}

uint32_t plugin_accounts_number(const struct plugin_accounts *accounts, struct slice plugin)
{
    return series_row(&accounts->plugins, 0, plugin, SLICE_NONE);
}

struct slice plugin_accounts_name(const struct plugin_accounts *accounts, uint32_t number)
{
    struct name_view name;
    size_t cursor = 0;

    while (name_table_next(&accounts->plugins.names, &cursor, &name)) {
        if (name.number == number)
            return name.name;
    }
    return SLICE("?");
}

uint32_t plugin_accounts_pair(const struct plugin_accounts *accounts, struct slice plugin,
                              struct slice route)
{
    return series_row(&accounts->pairs, 0, plugin, route);
}

static void add(const struct series *series, uint32_t row, const struct plugin_cost *cost)
{
    uint64_t *words = series_mine(series, row);
    series_add(words + CALLS, cost->calls);
    series_add(words + ERRORS, cost->errors);
    series_add(words + CPU_NS, cost->cpu_ns);
    series_add(words + WAIT_NS, cost->wait_ns);
}

void plugin_accounts_add(const struct plugin_accounts *accounts, uint32_t number, uint32_t pair,
                         const struct plugin_cost *cost)
{
    add(&accounts->plugins, number, cost);
    add(&accounts->pairs, pair, cost);
}

static bool next(const struct series *series, size_t *cursor, struct plugin_accounts_view *view)
{
    struct name_view name;

    if (!name_table_next(&series->names, cursor, &name))
        return false;
    *view = (struct plugin_accounts_view){
        .plugin = name.name,
        .route = name.labels,
        .cost = {.calls = series_sum(series, name.number, CALLS),
                 .errors = series_sum(series, name.number, ERRORS),
                 .cpu_ns = series_sum(series, name.number, CPU_NS),
                 .wait_ns = series_sum(series, name.number, WAIT_NS)},
    };
    return true;
}

bool plugin_accounts_next_plugin(const struct plugin_accounts *accounts, size_t *cursor,
                                 struct plugin_accounts_view *view)
{
    return next(&accounts->plugins, cursor, view);
}

bool plugin_accounts_next_pair(const struct plugin_accounts *accounts, size_t *cursor,
                               struct plugin_accounts_view *view)
{
    return next(&accounts->pairs, cursor, view);
}

uint64_t plugin_accounts_refused(const struct plugin_accounts *accounts)
{
    return name_table_refused(&accounts->pairs.names);
}
