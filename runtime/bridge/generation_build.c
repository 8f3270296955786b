/*
 * generation_build — from a configuration to a generation that could serve, and the freeing of one.
 */
#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bridge/bundle.h"
#include "bridge/draft.h"
#include "bridge/generation_clusters.h"
#include "bridge/generation_private.h"
#include "bridge/vm.h"
#include "shm/shared.h"

/* In the order of enum generation_function. */
static const char *const FUNCTION_NAMES[GENERATION_FUNCTION_COUNT] = {
    "request", "choose", "weigh", "response", "chunk", "log", "culprit", "start", "stop",
};

static int on_build_raised(lua_State *vm)
{
    const char *message = lua_tostring(vm, 1);
    luaL_traceback(vm, vm, message != NULL ? message : "(what was raised is not a text)", 1);
    return 1;
}

static void report(const struct generation_options *options, lua_State *vm, int at)
{
    struct slice error = SLICE("(no text)");
    if (lua_isstring(vm, at))
        error.start = lua_tolstring(vm, at, &error.length);
    options->on_error(options->on_error_data, error);
}

/* The list of errors on top of the stack. */
static void report_list(const struct generation_options *options, lua_State *vm)
{
    int count = (int)lua_objlen(vm, -1);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(vm, -1, i);
        report(options, vm, -1);
        lua_pop(vm, 1);
    }
}

/* Keeps the dispatcher's functions, which is the table on top of the stack. */
static void keep_functions(struct generation *generation)
{
    lua_State *vm = generation->vm;
    for (size_t i = 0; i < GENERATION_FUNCTION_COUNT; i++) {
        lua_getfield(vm, -1, FUNCTION_NAMES[i]);
        assert(lua_isfunction(vm, -1));
        generation->functions[i] = luaL_ref(vm, LUA_REGISTRYINDEX);
    }
    lua_getfield(vm, -1, "states");
    assert(lua_istable(vm, -1));
    generation->states = luaL_ref(vm, LUA_REGISTRYINDEX);
}

/* boot(generation, configuration, plugin root): the dispatcher, or nil and a list of errors. */
static bool boot(struct generation *generation, const struct generation_options *options)
{
    lua_State *vm = generation->vm;
    lua_pushcfunction(vm, on_build_raised);
    lua_getglobal(vm, "require");
    lua_pushliteral(vm, "moongate.boot");
    bool is_built = lua_pcall(vm, 1, 1, 1) == 0;
    if (is_built) {
        lua_pushlightuserdata(vm, generation);
        lua_pushstring(vm, options->config_path);
        lua_pushstring(vm, options->plugin_root);
        is_built = lua_pcall(vm, 3, 2, 1) == 0;
    }
    if (!is_built) {
        report(options, vm, -1);
    } else if (lua_istable(vm, -2)) {
        lua_pop(vm, 1);
        keep_functions(generation);
    } else {
        report_list(options, vm);
        is_built = false;
    }
    lua_settop(vm, 0);
    return is_built;
}

struct generation *generation_begin(const char *lua_root, const char *plugin_root,
                                    struct bundle *bundle)
{
    struct generation *generation = mem_zeroed(sizeof(*generation));
    struct vm_options vm_options = {lua_root, plugin_root, &generation->bundle};

    generation->references = 1;
    generation->bundle = bundle;
    arena_init(&generation->arena);
    generation->gateway_options = GATEWAY_OPTIONS;
    generation->gateway_options.limits = HTTP_SESSION_LIMITS;
    generation->listeners = mem_zeroed_array(PLAN_LISTENERS_MAX, sizeof(*generation->listeners));
    generation->matcher = route_matcher_create();
    generation->admin_matcher = route_matcher_create();
    generation->consumers = consumers_create();
    generation->draft = draft_create();
    generation->vm = vm_create(&vm_options);
    tasks_init(&generation->tasks, generation->vm, generation);
    return generation;
}

/* The PROXY header and the handshake may take as long as a request's head, wherever they were
 * declared. */
static void limit_handshakes(struct generation *generation)
{
    for (size_t i = 0; i < generation->plan.listener_count; i++)
        generation->listeners[i].listener.handshake_timeout =
            generation->gateway_options.limits.head_seconds;
}

void generation_move_in(struct generation *generation, const struct shared *shared)
{
    tasks_show_at(&generation->tasks, shared->place, generation->number);
    tasks_count_in(&generation->tasks, &shared->accounts);
}

/* What config_text.c reads again: what it was not read from, it is not shown from either. */
static void keep_bundle(struct generation *generation)
{
    const struct plan *plan = &generation->plan;

    for (size_t i = 0; i < plan->listener_count && generation->kept == NULL; i++) {
        if (plan->listeners[i].is_admin)
            generation->kept = bundle_acquire(generation->bundle);
    }
    bundle_close(generation->bundle);
}

struct generation *generation_build(const struct generation_options *options)
{
    double started = clock_thread_cpu();
    struct generation *generation =
        generation_begin(options->lua_root, options->plugin_root, options->bundle);

    generation->shown = options->shown;
    generation->number = options->number;
    generation->shared = options->shared;
    if (options->shared != NULL)
        generation_move_in(generation, options->shared);
    generation->inventory = options->inventory;
    if (options->is_thrown_away)
        vm_collect_late(generation->vm);
    if (!boot(generation, options)) {
        generation_release(&generation);
        return NULL;
    }
    draft_seal_cache_policies(generation->draft);
    draft_seal_routes(generation);
    consumers_pack(generation->consumers);
    draft_destroy(&generation->draft);
    accounts_seal(&generation->accounts,
                  options->shared != NULL ? &options->shared->accounts : NULL);
    generation_clusters_index(generation);
    if (!options->is_thrown_away)
        keep_bundle(generation);
    generation->bundle = NULL;
    generation->shown = NULL;
    generation->inventory = NULL;
    limit_handshakes(generation);
    route_matcher_seal(generation->matcher);
    route_matcher_seal(generation->admin_matcher);
    if (!options->is_thrown_away)
        vm_settle(generation->vm);
    generation->build_cpu_seconds = clock_thread_cpu() - started;
    return generation;
}

static void release_contexts(struct generation *generation)
{
    for (uint32_t i = 0; i < generation->cluster_count; i++) {
        if (generation->clusters[i].options.tls != NULL)
            tls_context_release(&generation->clusters[i].options.tls);
    }
    for (size_t i = 0; i < generation->plan.listener_count; i++) {
        if (generation->listeners[i].listener.tls != NULL)
            tls_context_release(&generation->listeners[i].listener.tls);
    }
    if (generation->fetch_tls != NULL)
        tls_context_release(&generation->fetch_tls);
}

void generation_clear(struct generation *generation)
{
    assert(list_is_empty(&generation->tasks.live) && generation->prepared_count == 0);
    tasks_clear(&generation->tasks);
    vm_destroy(&generation->vm);
    release_contexts(generation);
    if (generation->draft != NULL)
        draft_destroy(&generation->draft);
    consumers_destroy(&generation->consumers);
    route_matcher_destroy(&generation->matcher);
    route_matcher_destroy(&generation->admin_matcher);
    accounts_clear(&generation->accounts);
    key_ring_clear(&generation->keys);
    free(generation->routes);
    free(generation->clusters);
    free(generation->cluster_index.places);
    free(generation->fetch_clusters);
    free(generation->listeners);
    if (generation->kept != NULL)
        bundle_release(&generation->kept);
    arena_clear(&generation->arena);
}
