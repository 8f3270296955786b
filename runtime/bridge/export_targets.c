/*
 * export_targets — what the worker knows of the upstreams' targets, and what an operator says of
 * them.
 */
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "shm/shared.h"
#include "upstream/roster.h"

static void put_status(const struct cluster_target_status *status, double *numbers)
{
    numbers[MOON_TARGET_WEIGHT] = status->weight;
    numbers[MOON_TARGET_BUSY] = (double)status->connections_busy;
    numbers[MOON_TARGET_IDLE] = (double)status->connections_idle;
    numbers[MOON_TARGET_FAILURES] = status->failures;
    numbers[MOON_TARGET_SET_ASIDE] = status->is_set_aside;
    numbers[MOON_TARGET_ATTEMPTS] = (double)status->attempts;
    numbers[MOON_TARGET_ERRORS] = (double)status->errors;
    numbers[MOON_TARGET_WEIGHT_NOW] = status->weight_now;
    numbers[MOON_TARGET_SHARE] = status->share;
    numbers[MOON_TARGET_PRIORITY] = status->priority;
    numbers[MOON_TARGET_BACKUP] = status->is_backup;
    numbers[MOON_TARGET_REMOTE] = status->is_remote;
    numbers[MOON_TARGET_PROBED] = status->is_probed;
    numbers[MOON_TARGET_PROBES] = status->probes;
    numbers[MOON_TARGET_PROBES_TOTAL] = (double)status->probed;
    numbers[MOON_TARGET_PROBES_FAILED] = (double)status->probed_ill;
    numbers[MOON_TARGET_MODE] = status->mode;
    numbers[MOON_TARGET_ACTIVE] = (double)status->active;
    numbers[MOON_TARGET_LATENCY] = status->latency;
}

static void put_upstream(struct cluster *cluster, double *numbers)
{
    struct cluster_retries retries = cluster_retries(cluster);

    numbers[MOON_TARGET_PANIC] = cluster_is_panicking(cluster);
    numbers[MOON_TARGET_HEDGED] = cluster_is_hedged(cluster);
    numbers[MOON_TARGET_RETRIES_REQUESTS] = (double)retries.requests;
    numbers[MOON_TARGET_RETRIES] = (double)retries.retries;
    numbers[MOON_TARGET_RETRIES_REFUSED] = (double)retries.refused;
}

bool moon_target_at(struct generation *generation, uint32_t upstream, uint32_t target,
                    struct slice *texts, double *numbers)
{
    struct cluster_target_status status;

    if (upstream >= generation->cluster_count)
        return false;
    struct cluster *cluster = generation->clusters[upstream].cluster;
    assert(cluster != NULL);
    texts[0] = cluster_name(cluster);
    if (!cluster_inspect(cluster, target, &status))
        return false;
    texts[1] = status.address;
    texts[2] = status.url;
    put_status(&status, numbers);
    put_upstream(cluster, numbers);
    return true;
}

void moon_targets_tell(struct generation *generation)
{
    for (size_t i = 0; i < generation->cluster_count; i++)
        cluster_tell_connections(generation->clusters[i].cluster);
}

int moon_target_change(struct generation *generation, const struct slice *texts, double weight,
                       struct slice *nearest)
{
    struct roster_change change = {
        .upstream = texts[0],
        .target = texts[1],
        .weight = (unsigned)weight,
        .now = loop_uptime(generation->services->loop),
    };

    *nearest = SLICE_NONE;
    if (!roster_action_of(texts[2], &change.action))
        return MOON_TARGET_NO_ACTION;
    switch (roster_apply(&generation->services->shared->targets, &change, nearest)) {
    case ROSTER_NO_UPSTREAM:
        return MOON_TARGET_NO_UPSTREAM;
    case ROSTER_NO_TARGET:
        return MOON_TARGET_NO_TARGET;
    case ROSTER_DONE:
        break;
    }
    return MOON_TARGET_CHANGED;
}

int moon_prober(struct generation *generation)
{
    const struct shared *shared = generation->services->shared;
    uint32_t lane;

    if (!target_board_prober(&shared->targets, loop_uptime(generation->services->loop), &lane))
        return -1;
    return shared_worker_of(shared, lane);
}
