/*
 * balancer — the methods, and who stands in.
 */
#include "upstream/balancer.h"

#include <assert.h>
#include <math.h>

#include "upstream/cluster_parts.h"
#include "upstream/latency.h"

/* Turns that are passed on when it is nobody's who can be had; then the next in line is. */
#define TURNS_MAX 4

static bool was_tried(const struct target *target, const struct balancer_choice *choice)
{
    for (size_t i = 0; i < choice->tried_count; i++)
        if (choice->tried[i] == target)
            return true;
    return false;
}

static bool can_be_had(const struct target *target, const struct balancer_choice *choice)
{
    return pool_has_room(target->pool) && !was_tried(target, choice);
}

static uint64_t scaled(uint64_t number, uint64_t end)
{
    return (uint64_t)((unsigned __int128)number * end >> 64);
}

static uint64_t random_below(struct clusters *clusters, uint64_t end)
{
    return scaled(clusters_random(clusters), end);
}

static struct target *pick_at_random(struct cluster *cluster)
{
    const struct lineup *lineup = &cluster->lineup;
    return lineup_at(lineup, random_below(cluster->clusters, lineup->total))->target;
}

static struct target *pick_by_turn(struct cluster *cluster, const struct balancer_choice *choice)
{
    struct target *target = NULL;

    for (int i = 0; i < TURNS_MAX; i++) {
        uint64_t turn = __atomic_fetch_add(&cluster->words->cursor, 1, __ATOMIC_RELAXED);
        target = lineup_at_turn(&cluster->lineup, turn)->target;
        if (can_be_had(target, choice))
            break;
    }
    return target;
}

/* What a request would wait there, as far as the method looks at it. */
static double cost_of(const struct cluster *cluster, const struct lineup_entry *entry, double now)
{
    double active = (double)target_active(entry->target);

    if (cluster->balance == CLUSTER_LEAST_CONNECTIONS)
        return active / entry->weight;
    double seconds = latency_read(&entry->target->words->latency, now);
    /* Who never answered is asked once, and not again before it has. */
    if (seconds == 0)
        return active * LATENCY_OF_FAILURE / entry->weight;
    return seconds * (active + 1) / entry->weight;
}

/*
 * The power of two choices: the better one of two who are drawn by their weights. Nearly as even as
 * looking at all, without all workers running to the same one at once.
 */
static struct target *pick_of_two(struct cluster *cluster, const struct balancer_choice *choice)
{
    const struct lineup *lineup = &cluster->lineup;
    struct lineup_entry *one = lineup_at(lineup, random_below(cluster->clusters, lineup->total));
    uint64_t number = random_below(cluster->clusters, lineup->total - one->weight);
    if (number >= one->end - one->weight) /* not the same one again */
        number += one->weight;
    struct lineup_entry *other = lineup_at(lineup, number);

    if (!can_be_had(other->target, choice))
        return one->target;
    if (!can_be_had(one->target, choice))
        return other->target;
    return cost_of(cluster, other, choice->now) < cost_of(cluster, one, choice->now) ? other->target
                                                                                     : one->target;
}

/* Which tier's the key is, where several share: always the same one while nothing changes. */
static uint32_t tier_of_key(const struct lineup *lineup, uint64_t key)
{
    return lineup_at(lineup, scaled(key * 0x9e3779b97f4a7c15ULL, lineup->total))->tier;
}

/* Whether one request more is within `bound` times the part of all that its weight gives it. */
static bool has_room_for_load(const struct cluster *cluster, const struct lineup_entry *entry,
                              uint64_t all)
{
    if (cluster->hash_bound <= 0)
        return true;
    double part = (double)(all + 1) * entry->weight / (double)cluster->lineup.total;
    return (double)target_active(entry->target) < ceil(cluster->hash_bound * part);
}

static struct target *pick_by_key(struct cluster *cluster, const struct balancer_choice *choice)
{
    const struct lineup *lineup = &cluster->lineup;
    uint64_t seen[CLUSTER_TARGETS_MAX / 64] = {0}, all = cluster_active(cluster);
    uint32_t tier = tier_of_key(lineup, choice->key);
    size_t first = ring_find(&cluster->ring, choice->key);
    struct target *stand_in = NULL;

    for (size_t i = 0; i < cluster->ring.count; i++) {
        size_t index = ring_target(&cluster->ring, (first + i) % cluster->ring.count);
        if ((seen[index / 64] >> index % 64 & 1) != 0)
            continue;
        seen[index / 64] |= 1ULL << index % 64;
        if (lineup->places[index] == LINEUP_NOBODY)
            continue;
        const struct lineup_entry *entry = &lineup->entries[lineup->places[index]];
        if (entry->tier != tier || !can_be_had(entry->target, choice))
            continue;
        if (has_room_for_load(cluster, entry, all))
            return entry->target;
        stand_in = stand_in != NULL ? stand_in : entry->target;
    }
    return stand_in != NULL ? stand_in : lineup->entries[0].target;
}

static struct target *pick_by_method(struct cluster *cluster, const struct balancer_choice *choice)
{
    if (cluster->lineup.count == 1)
        return cluster->lineup.entries[0].target;
    switch (cluster->balance) {
    case CLUSTER_LEAST_CONNECTIONS:
    case CLUSTER_LATENCY:
        return pick_of_two(cluster, choice);
    case CLUSTER_RANDOM:
        return pick_at_random(cluster);
    case CLUSTER_HASH:
        if (choice->key != 0)
            return pick_by_key(cluster, choice);
        break;
    case CLUSTER_ROUND_ROBIN:
        break;
    }
    return pick_by_turn(cluster, choice);
}

/* The lineup's next that was not tried; else one that was, else one that is not in it. */
static struct target *find_stand_in(struct cluster *cluster, const struct target *chosen,
                                    const struct balancer_choice *choice)
{
    const struct lineup *lineup = &cluster->lineup;
    struct target *last = NULL;
    size_t begin = 0;

    while (begin < lineup->count && lineup->entries[begin].target != chosen)
        begin++;
    for (size_t i = 0; i < lineup->count; i++) {
        struct target *target = lineup->entries[(begin + i) % lineup->count].target;
        if (can_be_had(target, choice))
            return target;
        if (last == NULL && pool_has_room(target->pool))
            last = target;
    }
    for (size_t i = 0; i < cluster->target_count && last == NULL; i++) {
        struct target *target = cluster->targets[i];
        if (lineup_is_in_service(target) && pool_has_room(target->pool))
            last = target;
    }
    return last;
}

static struct target *find_sticky(const struct cluster *cluster,
                                  const struct balancer_choice *choice)
{
    for (size_t i = 0; i < cluster->target_count; i++) {
        struct target *target = cluster->targets[i];
        if (target->sticky == choice->sticky)
            return lineup_may_serve(target, &cluster->lineup_rules) && can_be_had(target, choice)
                       ? target
                       : NULL;
    }
    return NULL;
}

/* One whose time has passed, for whoever is the first to claim it. */
static struct target *claim_trial(struct cluster *cluster, const struct balancer_choice *choice)
{
    struct lineup *lineup = &cluster->lineup;

    lineup->is_made = false; /* when the next one is due has changed, whoever got it */
    for (size_t i = 0; i < cluster->target_count; i++) {
        struct target *target = cluster->targets[i];
        if (lineup_may_try(lineup, target, &cluster->lineup_rules) && can_be_had(target, choice) &&
            ejection_claim_trial(&target->words->ejection, choice->now, &cluster->ejection_rules))
            return target;
    }
    return NULL;
}

static OUT_OF_LINE struct target *
pick_of_several(struct cluster *cluster, const struct balancer_choice *choice, bool *is_trial)
{
    struct lineup *lineup = &cluster->lineup;
    struct target *target = NULL;

    if (choice->sticky != 0 && (target = find_sticky(cluster, choice)) != NULL)
        return target;
    if (!choice->is_extra && choice->now >= lineup->trial_at &&
        (target = claim_trial(cluster, choice)) != NULL) {
        *is_trial = true;
        return target;
    }
    if (lineup->count == 0)
        return NULL;
    target = pick_by_method(cluster, choice);
    if (!can_be_had(target, choice))
        target = find_stand_in(cluster, target, choice);
    return choice->is_extra && target != NULL && was_tried(target, choice) ? NULL : target;
}

struct target *balancer_pick(struct cluster *cluster, const struct balancer_choice *choice,
                             bool *is_trial)
{
    struct lineup *lineup = &cluster->lineup;

    cluster_line_up(cluster, choice->now);
    *is_trial = false;
    /* All that there is to it, for most upstreams. */
    if (lineup->count == 1 && choice->now < lineup->trial_at && choice->tried_count == 0 &&
        choice->sticky == 0 && pool_has_room(lineup->entries[0].target->pool))
        return lineup->entries[0].target;
    return pick_of_several(cluster, choice, is_trial);
}
