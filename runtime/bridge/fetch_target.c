/*
 * fetch_target — numbers for clusters: first the configuration's, then the hosts'.
 */
#include "bridge/fetch_target.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bridge/generation_private.h"

#define NAME_BYTES 320

static struct generation *serving(lua_State *thread)
{
    struct generation *generation = task_generation_of(thread);
    if (generation->services == NULL)
        luaL_error(thread, "fetch works only while the gateway serves");
    return generation;
}

static int find_upstream(const struct generation *generation, struct slice name)
{
    for (uint32_t i = 0; i < generation->cluster_count; i++) {
        if (slice_equals(generation->clusters[i].options.name, name))
            return (int)i;
    }
    return -1;
}

static struct tls_context *client_context(struct generation *generation)
{
    char error[TLS_CONTEXT_ERROR_BYTES];
    if (generation->fetch_tls == NULL)
        generation->fetch_tls =
            tls_context_create_client(&(struct tls_client_options){.verify = true}, error);
    return generation->fetch_tls;
}

static struct cluster *make_cluster(struct generation *generation, struct slice name,
                                    const struct cluster_target_options *target)
{
    struct cluster_options options = {.name = name,
                                      .targets = target,
                                      .target_count = 1,
                                      .idle_connections_max = 64,
                                      .idle_seconds = 60,
                                      .failures_max = 3,
                                      .set_aside_seconds = 5,
                                      .retry_budget = 0.2,
                                      .retry_budget_min = 3};

    if (target->is_tls)
        options.tls = client_context(generation);
    return clusters_acquire(generation->services->clusters, &options);
}

static int find_host(struct generation *generation, const struct cluster_target_options *target)
{
    char text[NAME_BYTES];
    int length = snprintf(text, sizeof(text), "%s://%.*s:%u", target->is_tls ? "https" : "http",
                          SLICE_FORMAT(target->host), target->port);
    struct slice name = slice_of(text, (size_t)length);

    if (length < 0 || length >= NAME_BYTES)
        return -1;
    for (uint32_t i = 0; i < generation->fetch_count; i++) {
        if (slice_equals(cluster_name(generation->fetch_clusters[i]), name))
            return (int)(generation->cluster_count + i);
    }
    if (generation->fetch_count == FETCH_TARGETS_MAX ||
        (target->is_tls && client_context(generation) == NULL))
        return -1;
    if (generation->fetch_clusters == NULL)
        generation->fetch_clusters = mem_zeroed_array(FETCH_TARGETS_MAX, sizeof(struct cluster *));
    generation->fetch_clusters[generation->fetch_count] = make_cluster(generation, name, target);
    return (int)(generation->cluster_count + generation->fetch_count++);
}

int fetch_target_find(lua_State *thread)
{
    struct generation *generation = serving(thread);
    struct slice name;
    int found;

    name.start = luaL_checklstring(thread, 1, &name.length);
    if (lua_gettop(thread) == 1) {
        found = find_upstream(generation, name);
    } else {
        double port = luaL_checknumber(thread, 2);
        struct cluster_target_options target = {
            .host = name,
            .port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : 0,
            .weight = 1,
            .is_tls = lua_toboolean(thread, 3)};
        found = find_host(generation, &target);
    }
    if (found < 0)
        return 0;
    lua_pushinteger(thread, found);
    return 1;
}

struct cluster *fetch_target_argument(lua_State *thread, int at)
{
    struct generation *generation = serving(thread);
    uint32_t target = (uint32_t)luaL_checknumber(thread, at);

    if (target < generation->cluster_count)
        return generation->clusters[target].cluster;
    target -= generation->cluster_count;
    if (target >= generation->fetch_count)
        luaL_error(thread, "there is no such target of a fetch");
    return generation->fetch_clusters[target];
}

void fetch_targets_release(struct generation *generation)
{
    for (uint32_t i = 0; i < generation->fetch_count; i++)
        cluster_release(&generation->fetch_clusters[i]);
    free(generation->fetch_clusters);
    if (generation->fetch_tls != NULL)
        tls_context_release(&generation->fetch_tls);
}
