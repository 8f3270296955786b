/*
 * export_discovery — lists of targets that were discovered, on their way to the clusters.
 */
#include "base/mem.h"
#include "bridge/exports.h"
#include "bridge/generation_clusters.h"
#include "bridge/numbers.h"

static struct cluster_target_options target_of(struct slice host, const double *numbers)
{
    return (struct cluster_target_options){
        .host = host,
        .port = (uint16_t)numbers[MOON_TAKE_PORT],
        .weight = (unsigned)numbers[MOON_TAKE_WEIGHT],
        .priority = (unsigned)numbers[MOON_TAKE_PRIORITY],
        .is_tls = numbers[MOON_TAKE_TLS] != 0,
        .is_backup = numbers[MOON_TAKE_BACKUP] != 0,
        .is_remote = numbers[MOON_TAKE_REMOTE] != 0,
    };
}

/* They come into force with the generation. Its start may take a few lists, not any number. */
static void keep_for_entry(struct generation *generation, struct generation_cluster *one,
                           struct cluster_target_options *targets, uint32_t count)
{
    struct cluster_target_options *kept =
        arena_alloc(&generation->arena, ((size_t)count + 1) * sizeof(*kept));

    for (uint32_t i = 0; i < count; i++) {
        kept[i] = targets[i];
        kept[i].host = arena_copy(&generation->arena, targets[i].host);
    }
    one->options.targets = kept;
    one->options.target_count = count;
    one->is_outdated = true;
}

/* NOLINTNEXTLINE(readability-function-size): of what Lua has, plain arguments are the cheapest. */
int moon_upstream_take(struct generation *generation, const char *name, size_t length,
                       const struct slice *hosts, const double *numbers, uint32_t count)
{
    int found = generation_clusters_find(generation, exports_slice(name, length));
    bool is_current = generation->is_current;

    if (!is_current && generation->retired_at > 0)
        return MOON_TAKE_RETIRED;
    if (found < 0 || !generation->clusters[found].options.is_discovered ||
        count > CLUSTER_TARGETS_MAX)
        return MOON_TAKE_NOT_DISCOVERED;
    struct generation_cluster *one = &generation->clusters[found];
    struct cluster_target_options *targets = mem_zeroed_array((size_t)count + 1, sizeof(*targets));
    bool is_new = true;

    for (uint32_t i = 0; i < count; i++)
        targets[i] = target_of(hosts[i], &numbers[(size_t)i * MOON_TAKE_NUMBERS]);
    if (is_current)
        is_new = cluster_set_targets(one->cluster, targets, count);
    else
        keep_for_entry(generation, one, targets, count);
    free(targets);
    return is_new ? MOON_TAKE_DONE : MOON_TAKE_SAME;
}
