/*
 * generation — everything built from one reading of the configuration: a Lua state, routes,
 * consumers, chains.
 *
 * Built without any effect on the running gateway, then committed. Exchanges hold references; the
 * last one destroys it.
 */
#pragma once

#include "bridge/plan.h"
#include "bridge/services.h"
#include "gateway/gateway.h"
#include "gateway/phases.h"

struct generation;

struct bundle;

struct generation_options {
    const char *config_path;
    struct bundle *bundle;   /* where files are read; borrowed while building */
    const char *lua_root;    /* folder that holds moongate/ */
    const char *plugin_root; /* folder of the bundled plugins */
    /* Told of each error, "file:line: what is wrong; what was expected". */
    void (*on_error)(void *data, struct slice error);
    void *on_error_data;
};

/* Reads and builds; NULL when there were errors, which on_error was told. Nothing but memory is
 * touched. One reference is the caller's. */
struct generation *generation_build(const struct generation_options *options);
/* The generation serves from now on: acquires clusters, runs start() of its plugins. False, with
 * on_error told, when that failed. */
bool generation_commit(struct generation *generation, const struct services *services);
struct generation *generation_acquire(struct generation *generation);
void generation_release(struct generation **generation);

const struct plan *generation_plan(const struct generation *generation);
/* The i-th listener of the plan, with TLS and the rest; valid while the generation lives. */
const struct listen_options *generation_listener(const struct generation *generation, size_t i);
const struct gateway_options *generation_gateway_options(const struct generation *generation);
const struct resolver_options *generation_resolver_options(const struct generation *generation);

/*
 * The phases of a gateway whose phases_data is a `struct generation **`: where the current
 * generation stands, swapped by whoever commits a new one.
 */
extern const struct phases BRIDGE_PHASES;
