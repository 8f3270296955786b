/*
 * plugin_accounts — what plugins cost: calls, errors and time, by plugin and route.
 *
 * Rows of series.h: each worker adds to words of its own, readers sum. Routes may be many, so only
 * the first pairs of plugin and route have a row. What a plugin costs on all others, and outside of
 * any, is in a row of its own, so that sums by plugin are whole: plugin_accounts_refused() tells.
 * A plugin's row is the number that it is known by in all workers.
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

/* A row: of one lane, where its words are written with series_add(), or the sum over all. */
struct plugin_cost {
    uint64_t calls, errors;
    /* Estimates, of the calls that are measured; for how many these stand. */
    uint64_t cpu_ns, wait_ns, measured;
};

struct plugin_accounts_view {
    struct slice plugin, route; /* route: SLICE_NONE for all that has no row of its own */
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

/* Where this process counts what the plugin does on that route. Costs a hash: keep the answer. */
struct plugin_cost *plugin_accounts_of(const struct plugin_accounts *accounts, struct slice plugin,
                                       struct slice route);
/* ... and outside of any route, by the plugin's number. */
struct plugin_cost *plugin_accounts_elsewhere(const struct plugin_accounts *accounts,
                                              uint32_t number);

/* Visits the pairs in no order; `*cursor` begins at 0. */
bool plugin_accounts_next_pair(const struct plugin_accounts *accounts, size_t *cursor,
                               struct plugin_accounts_view *view);
/* The same with what plugins cost elsewhere; the last one stands for those without a number. */
bool plugin_accounts_next_plugin(const struct plugin_accounts *accounts, size_t *cursor,
                                 struct plugin_accounts_view *view);
/* How many pairs have a row. */
uint32_t plugin_accounts_pairs(const struct plugin_accounts *accounts);
/* How often a pair found no room. */
uint64_t plugin_accounts_refused(const struct plugin_accounts *accounts);
