/*
 * plugin_accounts — series whose rows are the words of a cost.
 */
#include "shm/plugin_accounts.h"

#include <stddef.h>

#define NAME_BYTES_AVERAGE 32
#define PAIR_BYTES_AVERAGE 96

/* Stands for plugins without a number. */
#define UNKNOWN "?"
/* A cursor that has been at all names. */
#define AT_END SIZE_MAX

enum word { CALLS, ERRORS, CPU_NS, WAIT_NS, MEASURED, WORDS };

_Static_assert(sizeof(struct plugin_cost) == WORDS * sizeof(uint64_t) &&
                   offsetof(struct plugin_cost, measured) == MEASURED * sizeof(uint64_t),
               "a cost is a row");

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
    return SLICE(UNKNOWN);
}

struct plugin_cost *plugin_accounts_elsewhere(const struct plugin_accounts *accounts,
                                              uint32_t number)
{
    return (struct plugin_cost *)(void *)series_mine(&accounts->plugins, number);
}

struct plugin_cost *plugin_accounts_of(const struct plugin_accounts *accounts, struct slice plugin,
                                       struct slice route)
{
    uint32_t pair = series_row(&accounts->pairs, 0, plugin, route);

    if (pair == NAME_NONE)
        return plugin_accounts_elsewhere(accounts, plugin_accounts_number(accounts, plugin));
    return (struct plugin_cost *)(void *)series_mine(&accounts->pairs, pair);
}

static void read_row(const struct series *series, uint32_t row, struct plugin_cost *cost)
{
    *cost = (struct plugin_cost){.calls = series_sum(series, row, CALLS),
                                 .errors = series_sum(series, row, ERRORS),
                                 .cpu_ns = series_sum(series, row, CPU_NS),
                                 .wait_ns = series_sum(series, row, WAIT_NS),
                                 .measured = series_sum(series, row, MEASURED)};
}

bool plugin_accounts_next_pair(const struct plugin_accounts *accounts, size_t *cursor,
                               struct plugin_accounts_view *view)
{
    struct name_view name;

    if (!name_table_next(&accounts->pairs.names, cursor, &name))
        return false;
    view->plugin = name.name;
    view->route = name.labels;
    read_row(&accounts->pairs, name.number, &view->cost);
    return true;
}

bool plugin_accounts_next_plugin(const struct plugin_accounts *accounts, size_t *cursor,
                                 struct plugin_accounts_view *view)
{
    struct name_view name = {.name = SLICE(UNKNOWN), .number = NAME_NONE};

    if (*cursor == AT_END)
        return false;
    if (!name_table_next(&accounts->plugins.names, cursor, &name))
        *cursor = AT_END;
    view->plugin = name.name;
    view->route = SLICE_NONE;
    read_row(&accounts->plugins, name.number, &view->cost);
    return true;
}

uint32_t plugin_accounts_pairs(const struct plugin_accounts *accounts)
{
    return name_table_count(&accounts->pairs.names);
}

uint64_t plugin_accounts_refused(const struct plugin_accounts *accounts)
{
    return name_table_refused(&accounts->pairs.names);
}
