/*
 * cluster_probes — a cluster's own copy of how its targets are probed.
 */
#include <string.h>

#include "base/mem.h"
#include "upstream/cluster_parts.h"

static bool is_same(const struct probe_options *one, const struct probe_options *other)
{
    if (one->kind != other->kind)
        return false;
    if (one->kind == PROBE_NONE)
        return true;
    return one->interval == other->interval && one->timeout == other->timeout &&
           one->jitter == other->jitter && one->rise == other->rise && one->fall == other->fall &&
           slice_equals(one->path, other->path) && slice_equals(one->host, other->host) &&
           slice_equals(one->body, other->body) && one->status_count == other->status_count &&
           memcmp(one->statuses, other->statuses, one->status_count * sizeof(one->statuses[0])) ==
               0;
}

bool cluster_has_probes(const struct cluster *cluster, const struct probe_options *options)
{
    return is_same(&cluster->probe_options, options);
}

static struct slice own(struct slice text)
{
    return text.length > 0 ? slice_of(slice_to_string(text), text.length) : SLICE_NONE;
}

void cluster_take_probes(struct cluster *cluster, const struct probe_options *options)
{
    struct probe_options *probes = &cluster->probe_options;

    if (is_same(probes, options))
        return;
    cluster_clear_probes(cluster);
    *probes = *options;
    probes->path = own(options->path);
    probes->host = own(options->host);
    probes->body = own(options->body);
    for (size_t i = 0; i < cluster->target_count; i++) /* the next one is due by the new interval */
        cluster->targets[i]->probe_at = 0;
}

void cluster_clear_probes(struct cluster *cluster)
{
    struct probe_options *probes = &cluster->probe_options;

    free((char *)probes->path.start);
    free((char *)probes->host.start);
    free((char *)probes->body.start);
    *probes = (struct probe_options){.kind = PROBE_NONE};
}
