/*
 * balancer — smooth weighted round robin, also among those that have the least to do.
 *
 * Smooth: each turn everyone gains its weight, and the first in line pays the sum. So {5, 1, 1}
 * gives a a b a c a a, not five in a row; after a cycle all are back at zero.
 */
#include "upstream/balancer.h"

#include <assert.h>

/* From the first wish to the last resort. */
enum rank { RANK_UNTRIED, RANK_TRIED, RANK_SET_ASIDE, RANK_FULL };

static bool was_tried(const struct target *target, const struct balancer_choice *choice)
{
    for (size_t i = 0; i < choice->tried_count; i++)
        if (choice->tried[i] == target)
            return true;
    return false;
}

static enum rank rank_of(const struct target *target, const struct balancer_choice *choice)
{
    if (!pool_has_room(target->pool))
        return RANK_FULL;
    if (!target_is_usable(target, choice->now))
        return RANK_SET_ASIDE;
    return was_tried(target, choice) ? RANK_TRIED : RANK_UNTRIED;
}

/* Attempts per weight, compared without dividing. */
static bool is_less_busy(const struct target *one, const struct target *other)
{
    return (uint64_t)one->active * other->weight < (uint64_t)other->active * one->weight;
}

/* What the candidates have in common; `idlest` is NULL when load does not matter. */
struct field {
    enum rank rank;
    const struct target *idlest;
};

static bool is_candidate(const struct target *target, const struct field *field,
                         const struct balancer_choice *choice)
{
    return rank_of(target, choice) == field->rank &&
           (field->idlest == NULL || !is_less_busy(field->idlest, target));
}

static struct target *take_turns(struct target *const *targets, size_t count,
                                 const struct field *field, const struct balancer_choice *choice)
{
    struct target *first = NULL;
    int64_t total = 0;

    for (size_t i = 0; i < count; i++) {
        struct target *target = targets[i];
        if (!is_candidate(target, field, choice))
            continue;
        target->turn += target->weight;
        total += target->weight;
        if (first == NULL || target->turn > first->turn)
            first = target;
    }
    assert(first != NULL);
    first->turn -= total;
    return first;
}

static struct target *soonest_back(struct target *const *targets, size_t count)
{
    struct target *soonest = NULL;
    for (size_t i = 0; i < count; i++)
        if (pool_has_room(targets[i]->pool) &&
            (soonest == NULL || targets[i]->set_aside_until < soonest->set_aside_until))
            soonest = targets[i];
    return soonest;
}

struct target *balancer_pick(struct target *const *targets, size_t count,
                             const struct balancer_choice *choice)
{
    struct field field = {.rank = RANK_FULL};

    for (size_t i = 0; i < count; i++) {
        enum rank rank = rank_of(targets[i], choice);
        bool is_better = rank < field.rank;
        if (is_better)
            field = (struct field){.rank = rank};
        if (rank == field.rank && choice->balance == CLUSTER_LEAST_CONNECTIONS &&
            (field.idlest == NULL || is_less_busy(targets[i], field.idlest)))
            field.idlest = targets[i];
    }
    if (field.rank == RANK_FULL)
        return NULL;
    if (field.rank == RANK_SET_ASIDE)
        return soonest_back(targets, count);
    return take_turns(targets, count, &field, choice);
}
