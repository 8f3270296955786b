/*
 * generation — building, committing and ending one.
 */
#include "bridge/generation_private.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "bridge/draft.h"
#include "bridge/fetch_target.h"
#include "bridge/vm.h"

/* In the order of enum generation_function. */
static const char *const FUNCTION_NAMES[GENERATION_FUNCTION_COUNT] = {
    "request", "choose", "response", "chunk", "log", "culprit", "start", "stop",
};

void generation_push_function(struct generation *generation, enum generation_function which)
{
    lua_rawgeti(generation->vm, LUA_REGISTRYINDEX, generation->functions[which]);
}

struct slice generation_push_traceback(struct generation *generation, lua_State *thread)
{
    struct slice text;
    const char *message = lua_tostring(thread, -1);
    luaL_traceback(generation->vm, thread,
                   message != NULL ? message : "(what was raised is not a text)", 0);
    text.start = lua_tolstring(generation->vm, -1, &text.length);
    return text;
}

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
    lua_getfield(vm, -1, "requests");
    assert(lua_istable(vm, -1));
    generation->requests = luaL_ref(vm, LUA_REGISTRYINDEX);
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
    generation->consumers = consumers_create(&generation->arena);
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

struct generation *generation_build(const struct generation_options *options)
{
    struct generation *generation =
        generation_begin(options->lua_root, options->plugin_root, options->bundle);

    if (!boot(generation, options)) {
        generation_release(&generation);
        return NULL;
    }
    draft_destroy(&generation->draft);
    generation->bundle = NULL;
    limit_handshakes(generation);
    route_matcher_seal(generation->matcher);
    route_matcher_seal(generation->admin_matcher);
    vm_settle(generation->vm);
    return generation;
}

struct generation *generation_acquire(struct generation *generation)
{
    generation->references++;
    return generation;
}

static void on_stop_ended(enum task_end end, lua_State *thread, void *data)
{
    struct generation *generation = data;
    if (end == TASK_RETURNED)
        return;
    struct slice text = generation_push_traceback(generation, thread);
    log_write(LOG_ERROR, "a plugin raised when it was stopped: %.*s", SLICE_FORMAT(text));
    lua_pop(generation->vm, 1);
}

static void stop(struct generation *generation)
{
    struct task_options options = {.ended = on_stop_ended, .data = generation};
    generation_push_function(generation, GENERATION_STOP);
    task_start(&generation->tasks, 0, &options);
}

static void release_clusters(struct generation *generation)
{
    for (uint32_t i = 0; i < generation->cluster_count; i++) {
        struct generation_cluster *cluster = &generation->clusters[i];
        if (cluster->cluster != NULL)
            cluster_release(&cluster->cluster);
        if (cluster->options.tls != NULL)
            tls_context_release(&cluster->options.tls);
    }
    for (size_t i = 0; i < generation->plan.listener_count; i++) {
        if (generation->listeners[i].listener.tls != NULL)
            tls_context_release(&generation->listeners[i].listener.tls);
    }
}

static void destroy(struct generation *generation)
{
    generation->references = 1; /* for the tasks that end it: see task_run */
    if (generation->services != NULL)
        stop(generation);
    tasks_clear(&generation->tasks);
    vm_destroy(&generation->vm);
    release_clusters(generation);
    fetch_targets_release(generation);
    sinks_open_release(&generation->sinks);
    if (generation->draft != NULL)
        draft_destroy(&generation->draft);
    consumers_destroy(&generation->consumers);
    route_matcher_destroy(&generation->matcher);
    route_matcher_destroy(&generation->admin_matcher);
    free(generation->routes);
    free(generation->clusters);
    free(generation->listeners);
    arena_clear(&generation->arena);
    free(generation);
}

void generation_release(struct generation **generation)
{
    struct generation *released = *generation;
    *generation = NULL;
    assert(released->references > 0);
    if (--released->references == 0)
        destroy(released);
}

static void on_start_ended(enum task_end end, lua_State *thread, void *data)
{
    struct generation *generation = data;
    if (end == TASK_RETURNED)
        return;
    struct slice text = generation_push_traceback(generation, thread);
    log_write(LOG_ERROR, "a plugin raised when it was started: %.*s", SLICE_FORMAT(text));
    lua_pop(generation->vm, 1);
    generation->has_start_failed = true;
}

bool generation_commit(struct generation *generation, const struct services *services)
{
    struct task_options options = {.ended = on_start_ended, .data = generation, .may_wait = true};
    assert(generation->services == NULL);

    generation->services = services;
    for (uint32_t i = 0; i < generation->cluster_count; i++) {
        struct generation_cluster *cluster = &generation->clusters[i];
        cluster->cluster = clusters_acquire(services->clusters, &cluster->options);
    }
    for (uint32_t i = 0; i < generation->route_count; i++) {
        struct generation_route *route = &generation->routes[i];
        if (route->cluster != GENERATION_NO_CLUSTER)
            route->route.cluster = generation->clusters[route->cluster].cluster;
    }
    generation_push_function(generation, GENERATION_START);
    task_start(&generation->tasks, 0, &options);
    return !generation->has_start_failed;
}

const struct plan *generation_plan(const struct generation *generation)
{
    return &generation->plan;
}

const struct listen_options *generation_listener(const struct generation *generation, size_t i)
{
    assert(i < generation->plan.listener_count);
    return &generation->listeners[i];
}

const struct gateway_options *generation_gateway_options(const struct generation *generation)
{
    return &generation->gateway_options;
}

const struct resolver_options *generation_resolver_options(const struct generation *generation)
{
    return &generation->resolver_options;
}
