/*
 * generation — everything built from one reading of the configuration: a Lua state, routes,
 * consumers, chains.
 *
 * Built without any effect on the running gateway, in whatever thread; then started, current,
 * retired, all on the loop. Exchanges hold references: with the last one, once it is not current
 * any more, stop() of its plugins is called, what still waits of its tasks is cancelled, and its
 * memory is freed in the background.
 */
#pragma once

#include "bridge/plan.h"
#include "bridge/services.h"
#include "gateway/gateway.h"
#include "gateway/phases.h"

/* start() of all plugins together may wait for so long. */
#define GENERATION_START_SECONDS_MAX 30.0
/*
 * So long after it has stopped being current, a generation that still has requests (a tunnel may
 * last for hours) ends its timers and spawned tasks; and a task that a request has spawned may keep
 * it for so long.
 */
#define GENERATION_TASK_SECONDS_MAX 30.0
/* Then, or when so many of a worker are not current any more, the oldest first, those of its
 * requests that need it for nothing but their log go over to the current one. */
#define GENERATIONS_RETIRED_MAX 8
/* Of one worker, in memory: no more are built, so that requests that need their plugins for long
 * cannot use up the memory. */
#define GENERATIONS_ALIVE_MAX 32

struct background;
struct buffer;
struct bundle;
struct generation;
struct inventory;
struct shared;

struct generation_options {
    const char *config_path;
    uint64_t number;             /* counts the readings that came to serve, from 1 */
    struct bundle *bundle;       /* where files are read */
    struct buffer *shown;        /* gets what /config shows of it; NULL: nobody has asked */
    struct inventory *inventory; /* told what there is; borrowed while building, may be NULL */
    bool is_thrown_away;         /* goes with its process, as soon as it has been built */
    struct shared *shared;   /* where plugins have numbers and it is shown which one runs, nothing
                                else of it is touched; NULL: nowhere */
    const char *lua_root;    /* folder that holds moongate/ */
    const char *plugin_root; /* folder of the bundled plugins */
    /* Told of each error, "file:line: what is wrong; what was expected". */
    void (*on_error)(void *data, struct slice error);
    void *on_error_data;
};

/* Reads and builds; NULL when there were errors, which on_error was told. Nothing but memory is
 * touched. One reference is the caller's. */
struct generation *generation_build(const struct generation_options *options);
/* In a worker that was forked after it had been built, and has its own place in `shared`: which is
 * where it shows from now on what runs. */
void generation_move_in(struct generation *generation, const struct shared *shared);
/* Frees one that was never started, in the background. Clears `*generation`. */
void generation_discard(struct generation **generation, struct background *background);

/* `error`: SLICE_NONE, or what was wrong, borrowed during the call. */
typedef void generation_started(void *data, struct slice error);
/*
 * Takes references to the worker's clusters and runs start() of the plugins, which may wait. What
 * runs so far is not changed. `started` is called once, later; it may retire the generation.
 */
void generation_start(struct generation *generation, const struct services *services,
                      generation_started *started, void *data);
/* It is current from now on: what it says of upstreams holds. */
void generation_enter(struct generation *generation);
/* Takes back the reference from its building: it is current no longer, or never was; `started` is
 * not called any more. Clears `*generation`. */
void generation_retire(struct generation **generation);

struct generation *generation_acquire(struct generation *generation);
void generation_release(struct generation **generation);
void generations_init(struct generations *generations);
/* For a worker that ends: cancels spawned tasks of all. */
void generations_end_tasks(struct generations *generations);
uint64_t generation_number(const struct generation *generation);
/* Of the thread that built it. */
double generation_build_cpu_seconds(const struct generation *generation);

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
