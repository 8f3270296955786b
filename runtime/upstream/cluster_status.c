/*
 * cluster_status — what a cluster shows of its targets.
 */
#include "upstream/cluster_parts.h"
#include "upstream/latency.h"
#include "upstream/overlay.h"
#include "upstream/probe_verdict.h"

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static struct cluster_target_status status_of(const struct cluster *cluster, size_t index)
{
    const struct target *target = cluster->targets[index];
    const struct lineup *lineup = &cluster->lineup;
    struct overlay overlay = overlay_of(load(&target->words->overlay));
    uint64_t ejection = load(&target->words->ejection), probes = load(&target->words->probes);
    uint16_t place = lineup->places[index];

    return (struct cluster_target_status){
        .address = target->text,
        .url = target->url,
        .weight = target->weight,
        .weight_now = overlay.has_weight ? overlay.weight : target->weight,
        .share = place == LINEUP_NOBODY
                     ? 0
                     : (double)lineup->entries[place].weight / (double)lineup->total,
        .priority = target->priority,
        .is_backup = target->is_backup,
        .is_remote = target->is_remote,
        .connections_busy = pool_busy(target->pool),
        .connections_idle = pool_idle(target->pool),
        .active = target_active(target),
        .failures = ejection_failures(ejection),
        .is_set_aside = ejection_is_active(ejection),
        .probes =
            cluster->lineup_rules.is_probed ? (int)probe_verdict_state(probes) : PROBE_UNKNOWN,
        .is_probed = cluster->lineup_rules.is_probed,
        .mode = (int)overlay.mode,
        .latency = latency_read(&target->words->latency, loop_uptime(cluster->clusters->loop)),
        .attempts = *target->totals.attempts,
        .errors = *target->totals.errors,
    };
}

void cluster_inspect(struct cluster *cluster,
                     void (*each)(void *data, const struct cluster_target_status *status),
                     void *data)
{
    cluster_line_up(cluster, loop_uptime(cluster->clusters->loop));
    for (size_t i = 0; i < cluster->target_count; i++) {
        struct cluster_target_status status = status_of(cluster, i);
        each(data, &status);
    }
}

bool cluster_is_panicking(struct cluster *cluster)
{
    cluster_line_up(cluster, loop_uptime(cluster->clusters->loop));
    return cluster->lineup.is_panic;
}
