/*
 * fetch_target — numbers for clusters: first the configuration's, then the hosts'.
 */
#include "bridge/fetch_target.h"

#include <assert.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bridge/generation_clusters.h"
#include "bridge/generation_private.h"
#include "http/uri.h"
#include "net/tls_registry.h"

/* "https://", a host of at most 255 bytes, a port. */
#define NAME_BYTES 320
#define HTTP_PORT  80
#define HTTPS_PORT 443

static struct generation *serving(lua_State *thread)
{
    struct generation *generation = task_generation_of(thread);
    if (generation->services == NULL)
        luaL_error(thread, "fetch works only while the gateway serves");
    return generation;
}

static struct tls_context *client_context(struct generation *generation)
{
    char error[TLS_CONTEXT_ERROR_BYTES];
    if (generation->fetch_tls == NULL)
        generation->fetch_tls =
            tls_registry_client(&(struct tls_client_options){.verify = true}, SLICE(""), error);
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
                                      .is_unshared = true,
                                      .retry_budget = 0.2,
                                      .retry_budget_min = 3};

    if (target->is_tls)
        options.tls = client_context(generation);
    return clusters_acquire(generation->services->clusters, &options);
}

/* A number, or -1 when there are too many. */
static int find_host(struct generation *generation, const struct cluster_target_options *target)
{
    char text[NAME_BYTES];
    int length = snprintf(text, sizeof(text), "%s://%.*s:%u", target->is_tls ? "https" : "http",
                          SLICE_FORMAT(target->host), target->port);
    struct slice name = slice_of(text, (size_t)length);

    assert(length > 0 && length < NAME_BYTES);
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

static int find(struct generation *generation, const struct uri_authority *parts, bool is_tls)
{
    int found = parts->port == 0 ? generation_clusters_find(generation, parts->host) : -1;
    uint16_t usual_port = is_tls ? HTTPS_PORT : HTTP_PORT;
    struct cluster_target_options target = {.host = parts->host,
                                            .port = parts->port != 0 ? parts->port : usual_port,
                                            .weight = 1,
                                            .is_tls = is_tls};

    return found >= 0 ? found : find_host(generation, &target);
}

int fetch_target_find(lua_State *thread)
{
    struct generation *generation = serving(thread);
    struct uri_authority parts;
    struct slice authority;

    authority.start = luaL_checklstring(thread, 1, &authority.length);
    if (!uri_parse_authority(authority, &parts)) {
        lua_pushnil(thread);
        lua_pushboolean(thread, false);
        return 2;
    }
    int found = find(generation, &parts, lua_toboolean(thread, 2));
    if (found < 0)
        return 0;
    lua_pushinteger(thread, found);
    return 1;
}

struct cluster *fetch_target_of(const struct generation *generation, double number)
{
    uint32_t own_count = generation->cluster_count;

    if (!(number >= 0 && number < own_count + generation->fetch_count))
        return NULL;
    uint32_t target = (uint32_t)number;
    return target < own_count ? generation->clusters[target].cluster
                              : generation->fetch_clusters[target - own_count];
}

struct cluster *fetch_target_argument(lua_State *thread, int at)
{
    struct cluster *cluster = fetch_target_of(serving(thread), luaL_checknumber(thread, at));

    if (cluster == NULL)
        luaL_error(thread, "there is no such target of a fetch");
    return cluster;
}

void fetch_targets_release(struct generation *generation)
{
    while (generation->fetch_count > 0)
        cluster_release(&generation->fetch_clusters[--generation->fetch_count]);
}
