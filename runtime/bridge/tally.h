/*
 * tally — what the plugin metrics counts of a route's exchanges, from C once the series are known.
 *
 * Lua finds the series of a route, and of each status that it answers with, and hands over their
 * slots. An exchange like one before it is then counted from C, and, where nothing else takes part
 * in its log phase, Lua is not entered for that phase. Those with a fault are: Lua counts it.
 */
#pragma once

#include <stdbool.h>

struct exchange;

/* The log phase of an exchange that has ended, where C alone can run it: true, and it has run. */
bool tally_log(struct exchange *exchange);
