/*
 * fetch_target — where a fetch goes: an upstream of the configuration, or a host that a URL names.
 *
 * Hosts get a cluster of their own the first time, kept as long as the generation, at most
 * FETCH_TARGETS_MAX.
 */
#pragma once

#include <lua.h>

#include "upstream/cluster.h"

#define FETCH_TARGETS_MAX 256

struct generation;

/* Lua: (upstream name) or (host, port, is_tls) -> target, a number; nil when there is no such
 * upstream, or too many hosts. */
int fetch_target_find(lua_State *thread);
/* The cluster that the number at `at` means; raises when it means none. */
struct cluster *fetch_target_argument(lua_State *thread, int at);
/* When the generation ends. */
void fetch_targets_release(struct generation *generation);
