/*
 * balancer_driver — targets picked, and told how that went, at a time that a spec says.
 */
#include <assert.h>

#include "shm/target_board.h"
#include "upstream/balancer.h"
#include "upstream/cluster_parts.h"
#include "upstream/overlay.h"
#include "upstream/probe_verdict.h"

int driver_pick(struct cluster *cluster, double now, int tried);
int driver_pick_by(struct cluster *cluster, double now, uint64_t key, uint64_t sticky);
bool driver_is_trial(struct cluster *cluster);
void driver_begin(struct cluster *cluster, int target);
void driver_fail(struct cluster *cluster, int target, enum fault fault, bool is_trial, double now);
int driver_answer(struct cluster *cluster, int target, int status, double seconds, double now);
void driver_end(struct cluster *cluster, int target);
void driver_probe(struct cluster *cluster, int target, bool is_well, double now);
void driver_overlay(struct cluster *cluster, int target, int mode, int weight);
bool driver_panics(struct cluster *cluster);
uint64_t driver_sticky(struct cluster *cluster, int target);
double driver_part(struct cluster *cluster, int target);

static bool was_trial;

static int pick(struct cluster *cluster, const struct balancer_choice *choice)
{
    struct target *target = balancer_pick(cluster, choice, &was_trial);
    for (size_t i = 0; i < cluster->target_count; i++)
        if (cluster->targets[i] == target)
            return (int)i;
    return -1;
}

/* Index of the target, or -1; `tried`: bits of indexes that the call has tried. */
int driver_pick(struct cluster *cluster, double now, int tried)
{
    struct target *list[64];
    struct balancer_choice choice = {.now = now, .tried = list};

    for (size_t i = 0; i < cluster->target_count && i < 31; i++)
        if ((tried >> i) & 1)
            list[choice.tried_count++] = cluster->targets[i];
    return pick(cluster, &choice);
}

int driver_pick_by(struct cluster *cluster, double now, uint64_t key, uint64_t sticky)
{
    struct balancer_choice choice = {.now = now, .key = key, .sticky = sticky};
    return pick(cluster, &choice);
}

/* Whether the last pick was to try one that is set aside. */
bool driver_is_trial(struct cluster *cluster)
{
    return was_trial;
}

void driver_begin(struct cluster *cluster, int target)
{
    target_begin(cluster->targets[target]);
    if (cluster->balance == CLUSTER_HASH)
        series_add(cluster->active, 1);
}

void driver_fail(struct cluster *cluster, int target, enum fault fault, bool is_trial, double now)
{
    struct cluster_answer answer = {.now = now, .is_trial = is_trial};
    cluster_note_failure(cluster, cluster->targets[target], fault, &answer);
}

/* 0: no news, 1: it is set aside, 2: it is back. */
int driver_answer(struct cluster *cluster, int target, int status, double seconds, double now)
{
    struct cluster_answer answer = {.seconds = seconds, .now = now, .is_bad = status >= 500};
    return (int)cluster_note_answer(cluster, cluster->targets[target], &answer);
}

void driver_end(struct cluster *cluster, int target)
{
    target_end(cluster->targets[target]);
    if (cluster->balance == CLUSTER_HASH)
        series_add(cluster->active, (uint64_t)-1);
}

/* As a probe of rise and fall 2 would say. */
void driver_probe(struct cluster *cluster, int target, bool is_well, double now)
{
    struct target *probed = cluster->targets[target];

    if (!probe_verdict_add(&probed->words->probes, is_well, 2, 2, now))
        return;
    if (is_well)
        cluster_welcome(cluster, probed, now);
    else
        cluster_note_change(cluster);
}

/* `weight` 0: as configured. */
void driver_overlay(struct cluster *cluster, int target, int mode, int weight)
{
    struct overlay overlay = {(enum overlay_mode)mode, weight > 0, (unsigned)weight};

    cluster->targets[target]->words->overlay = overlay_word(&overlay);
    cluster_note_change(cluster);
}

bool driver_panics(struct cluster *cluster)
{
    return cluster->lineup.is_panic;
}

/* What the target is to get of the requests now. */
double driver_part(struct cluster *cluster, int target)
{
    struct cluster_target_status status;
    bool is_there = cluster_inspect(cluster, (size_t)target, &status);
    assert(is_there);
    return status.share;
}

uint64_t driver_sticky(struct cluster *cluster, int target)
{
    return cluster->targets[target]->sticky;
}
