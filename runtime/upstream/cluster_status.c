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
    uint64_t connections = target_sum(target, TARGET_BOARD_CONNECTIONS);
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
        .connections_busy = connections >> 32,
        .connections_idle = (uint32_t)connections,
        .active = target_active(target),
        .failures = ejection_failures(ejection),
        .is_set_aside = ejection_is_active(ejection),
        .probes =
            cluster->lineup_rules.is_probed ? (int)probe_verdict_state(probes) : PROBE_UNKNOWN,
        .is_probed = cluster->lineup_rules.is_probed,
        .mode = (int)overlay.mode,
        .latency = latency_read(&target->words->latency, loop_uptime(cluster->clusters->loop)),
        .attempts = target_sum(target, TARGET_BOARD_ATTEMPTS),
        .errors = target_sum(target, TARGET_BOARD_ERRORS),
        .probed = load(&target->words->probed),
        .probed_ill = load(&target->words->probed_ill),
    };
}

bool cluster_inspect(struct cluster *cluster, size_t index, struct cluster_target_status *status)
{
    if (index >= cluster->target_count)
        return false;
    cluster_line_up(cluster, loop_uptime(cluster->clusters->loop));
    target_tell_connections(cluster->targets[index]);
    *status = status_of(cluster, index);
    return true;
}

void cluster_tell_connections(struct cluster *cluster)
{
    for (size_t i = 0; i < cluster->target_count; i++)
        target_tell_connections(cluster->targets[i]);
}

bool cluster_is_panicking(struct cluster *cluster)
{
    cluster_line_up(cluster, loop_uptime(cluster->clusters->loop));
    return cluster->lineup.is_panic;
}

struct cluster_retries cluster_retries(const struct cluster *cluster)
{
    double now = loop_uptime(cluster->clusters->loop);
    struct retry_budget_state state = retry_budget_read(&cluster->retry_budget, now);

    return (struct cluster_retries){.requests = state.requests,
                                    .retries = state.retries,
                                    .refused = load(&cluster->words->retries_refused)};
}
