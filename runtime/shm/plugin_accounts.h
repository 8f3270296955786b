/*
 * plugin_accounts — what plugins cost: calls, errors and time, by plugin, and by plugin and route.
 *
 * Rows of series.h: each worker adds to words of its own, readers sum. A plugin's row is the number
 * that it is known by in all workers. Routes may be many, so only the first pairs of plugin and
 * route have a row, the rest shares row 0: plugin_accounts_refused() tells. The sums by plugin
 * alone have all of it.
 */
#pragma once

#include "shm/series.h"

/* Rows of either kind, row 0 included. */
#define PLUGIN_ACCOUNTS_PLUGINS_MAX 1024
#define PLUGIN_ACCOUNTS_PAIRS_MAX   4096

/* This process's view. */
struct plugin_accounts {
    struct series plugins, pairs;
};

struct plugin_cost {
    uint64_t calls, errors;
    uint64_t cpu_ns, wait_ns;
};

struct plugin_accounts_view {
    struct slice plugin, route; /* route: SLICE_NONE among plugins */
    struct plugin_cost cost;    /* the sum over all lanes */
};

size_t plugin_accounts_bytes(uint32_t lanes);
/* False when the segment refuses it. */
bool plugin_accounts_init(struct plugin_accounts *accounts, struct segment *segment,
                          uint32_t lanes);
/* Before anything is added: the lane that this process writes. */
void plugin_accounts_attach(struct plugin_accounts *accounts, uint32_t lane);

/* The plugin's number, given now if it is new, in whatever thread; 0 when there is no room. */
uint32_t plugin_accounts_number(const struct plugin_accounts *accounts, struct slice plugin);
/* Of that number; "?" for 0. */
struct slice plugin_accounts_name(const struct plugin_accounts *accounts, uint32_t number);
/* The row of a plugin on a route. Costs a hash: keep the answer. */
uint32_t plugin_accounts_pair(const struct plugin_accounts *accounts, struct slice plugin,
                              struct slice route);
void plugin_accounts_add(const struct plugin_accounts *accounts, uint32_t number, uint32_t pair,
                         const struct plugin_cost *cost);

/* Visits plugins, or pairs, in no order; `*cursor` begins at 0. */
bool plugin_accounts_next_plugin(const struct plugin_accounts *accounts, size_t *cursor,
                                 struct plugin_accounts_view *view);
bool plugin_accounts_next_pair(const struct plugin_accounts *accounts, size_t *cursor,
                               struct plugin_accounts_view *view);
/* How often a pair found no room. */
uint64_t plugin_accounts_refused(const struct plugin_accounts *accounts);
