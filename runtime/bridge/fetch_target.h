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

/* Lua: (authority, is_tls) -> target, a number: the upstream of that name where no port is given,
 * else the host. nil when there are too many hosts; nil, false when it is no authority. */
int fetch_target_find(lua_State *thread);
/* The cluster that the number means; NULL when it means none. */
struct cluster *fetch_target_of(const struct generation *generation, double number);
/* The same of the number at `at`; raises when it means none. */
struct cluster *fetch_target_argument(lua_State *thread, int at);
/* When the generation ends. */
void fetch_targets_release(struct generation *generation);
