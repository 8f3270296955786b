/*
 * lineup — who can be used, what each tier gets of the requests, and each target of its tier's.
 */
#include "upstream/lineup.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "upstream/overlay.h"
#include "upstream/probe_verdict.h"

/* Backup, priority, zone. */
#define TIERS ((CLUSTER_PRIORITY_MAX + 1) * 4)

/* Who starts slowly gets at least this share of its weight, and more in so many steps. */
#define SLOW_SHARE_MIN 0.1
#define SLOW_STEPS     20

/* Where weights are no whole numbers: parts of one. */
#define PARTS      1024
#define WEIGHT_MAX (1U << 22)

#define GOLDEN_SECTION 0.6180339887498949

/* What is found out about targets on the way. */
struct plan {
    const struct lineup_rules *rules;
    double now;
    double whole[TIERS], usable[TIERS], share[TIERS]; /* weights; of all requests */
    size_t willing_count, usable_count;               /* who is in service; of these, who can be */
    bool is_exact;                                    /* weights are as configured */
};

void lineup_init(struct lineup *lineup, size_t capacity)
{
    lineup_clear(lineup);
    lineup->entries = mem_zeroed_array(capacity + 1, sizeof(*lineup->entries));
    lineup->places = mem_zeroed_array(capacity + 1, sizeof(*lineup->places));
    lineup->capacity = capacity;
}

void lineup_clear(struct lineup *lineup)
{
    free(lineup->entries);
    free(lineup->places);
    *lineup = (struct lineup){.entries = NULL};
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static unsigned tier_of(const struct target *target)
{
    return (target->is_backup ? TIERS / 2 : 0) + target->priority * 2 + (target->is_remote ? 1 : 0);
}

bool lineup_is_in_service(const struct target *target)
{
    return overlay_of(load(&target->words->overlay)).mode == OVERLAY_NONE;
}

static bool is_down(const struct target *target, const struct lineup_rules *rules)
{
    return rules->is_probed && probe_verdict_state(load(&target->words->probes)) == PROBE_DOWN;
}

static bool is_well(const struct target *target, const struct lineup_rules *rules)
{
    return !is_down(target, rules) && !ejection_is_active(load(&target->words->ejection));
}

bool lineup_may_serve(const struct target *target, const struct lineup_rules *rules)
{
    return overlay_of(load(&target->words->overlay)).mode != OVERLAY_DISABLE &&
           is_well(target, rules);
}

/* Its weight, less while it starts slowly. */
static double weight_of(const struct target *target, struct plan *plan, struct lineup *lineup)
{
    struct overlay overlay = overlay_of(load(&target->words->overlay));
    double weight = overlay.has_weight ? overlay.weight : target->weight;
    uint64_t joined = load(&target->words->joined);
    double age = fmax(plan->now - (double)joined / 1000, 0);
    double slow = plan->rules->slow_start_seconds;

    if (joined == 0 || age >= slow)
        return weight;
    plan->is_exact = false;
    double step = fmin(plan->now + slow / SLOW_STEPS, plan->now + slow - age);
    lineup->valid_until = fmin(lineup->valid_until, step);
    return weight * fmax(age / slow, SLOW_SHARE_MIN);
}

bool lineup_may_try(const struct lineup *lineup, const struct target *target,
                    const struct lineup_rules *rules)
{
    return lineup_is_in_service(target) && !is_down(target, rules) &&
           ejection_is_active(load(&target->words->ejection)) &&
           tier_of(target) <= lineup->last_tier;
}

static void note_trial(struct lineup *lineup, const struct target *target,
                       const struct lineup_rules *rules)
{
    if (lineup_may_try(lineup, target, rules))
        lineup->trial_at = fmin(lineup->trial_at, ejection_until(load(&target->words->ejection)));
}

static void look_at(struct lineup *lineup, struct plan *plan, const struct target *target)
{
    unsigned tier = tier_of(target);
    double weight = weight_of(target, plan, lineup);

    if (!lineup_is_in_service(target))
        return;
    plan->willing_count++;
    plan->whole[tier] += weight;
    if (!is_well(target, plan->rules))
        return;
    plan->usable_count++;
    plan->usable[tier] += weight;
}

static void panic(struct plan *plan)
{
    for (unsigned tier = 0; tier < TIERS; tier++)
        plan->usable[tier] = plan->whole[tier];
}

/* What each tier gets of the requests; returns how many get some. */
static unsigned share_out(struct plan *plan)
{
    double given = 0, spill = plan->rules->spill_share;
    unsigned sharers = 0;

    for (unsigned tier = 0; tier < TIERS && given < 1; tier++) {
        if (plan->usable[tier] <= 0)
            continue;
        if (tier >= TIERS / 2 && given > 0)
            break;
        double wanted = spill > 0 ? plan->usable[tier] / (plan->whole[tier] * spill) : 1;
        plan->share[tier] = fmin(wanted, 1 - given);
        given += plan->share[tier];
        sharers++;
    }
    for (unsigned tier = 0; given > 0 && tier < TIERS; tier++)
        plan->share[tier] /= given;
    return sharers;
}

/* So that the weights of all tiers that share are to one another as what they get. */
static uint32_t whole_weight(const struct plan *plan, double weight, unsigned tier)
{
    double all = 0;

    if (plan->is_exact)
        return (uint32_t)weight;
    for (unsigned i = 0; i < TIERS; i++)
        all += plan->share[i] > 0 ? plan->usable[i] : 0;
    double parts = round(weight * PARTS * plan->share[tier] * all / plan->usable[tier]);
    return parts < 1 ? 1 : parts > WEIGHT_MAX ? WEIGHT_MAX : (uint32_t)parts;
}

static uint64_t greatest_divisor(uint64_t one, uint64_t other)
{
    while (other != 0) {
        uint64_t rest = one % other;
        one = other;
        other = rest;
    }
    return one;
}

static uint64_t stride_of(uint64_t total)
{
    uint64_t stride = (uint64_t)((double)total * GOLDEN_SECTION);
    while (stride > 1 && greatest_divisor(total, stride) != 1)
        stride--;
    return stride > 0 ? stride : 1;
}

/* One target after the other where all have the same weight. */
static void set_stride(struct lineup *lineup)
{
    bool is_even = true;
    for (size_t i = 1; i < lineup->count; i++)
        is_even = is_even && lineup->entries[i].weight == lineup->entries[0].weight;
    for (size_t i = 0; is_even && i < lineup->count; i++) {
        lineup->entries[i].weight = 1;
        lineup->entries[i].end = i + 1;
        lineup->total = i + 1;
    }
    lineup->stride = is_even ? 1 : stride_of(lineup->total);
}

static bool has_part(const struct lineup *lineup, const struct plan *plan,
                     const struct target *target)
{
    return plan->share[tier_of(target)] > 0 && lineup_is_in_service(target) &&
           (lineup->is_panic || is_well(target, plan->rules));
}

static void add_entry(struct lineup *lineup, struct plan *plan, struct target *target)
{
    unsigned tier = tier_of(target);
    uint32_t weight = whole_weight(plan, weight_of(target, plan, lineup), tier);

    lineup->total += weight;
    lineup->last_tier = tier > lineup->last_tier ? tier : lineup->last_tier;
    lineup->entries[lineup->count++] = (struct lineup_entry){
        .target = target, .end = lineup->total, .weight = weight, .tier = tier};
}

static bool must_panic(const struct plan *plan)
{
    double share_min = plan->rules->panic_share;
    return plan->usable_count == 0 ||
           (double)plan->usable_count < share_min * (double)plan->willing_count;
}

void lineup_make(struct lineup *lineup, struct target *const *targets, size_t count,
                 const struct lineup_rules *rules, double now)
{
    struct plan plan = {.rules = rules, .now = now, .is_exact = true};

    assert(count <= lineup->capacity);
    lineup->valid_until = lineup->trial_at = INFINITY;
    lineup->count = 0;
    lineup->total = 0;
    lineup->last_tier = 0;
    lineup->is_made = true;
    for (size_t i = 0; i < count; i++)
        look_at(lineup, &plan, targets[i]);
    lineup->is_panic = plan.willing_count > 0 && must_panic(&plan);
    if (lineup->is_panic)
        panic(&plan);
    if (share_out(&plan) > 1)
        plan.is_exact = false;
    for (size_t i = 0; i < count; i++) {
        bool has = has_part(lineup, &plan, targets[i]);
        lineup->places[i] = has ? (uint16_t)lineup->count : LINEUP_NOBODY;
        if (has)
            add_entry(lineup, &plan, targets[i]);
    }
    for (size_t i = 0; i < count; i++)
        note_trial(lineup, targets[i], rules);
    if (lineup->count > 0)
        set_stride(lineup);
}

struct lineup_entry *lineup_at(const struct lineup *lineup, uint64_t number)
{
    size_t low = 0, high = lineup->count - 1;

    assert(number < lineup->total);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (lineup->entries[middle].end > number)
            high = middle;
        else
            low = middle + 1;
    }
    return &lineup->entries[low];
}

struct lineup_entry *lineup_at_turn(const struct lineup *lineup, uint64_t turn)
{
    if (lineup->stride == 1 && lineup->total == lineup->count)
        return &lineup->entries[turn % lineup->count];
    return lineup_at(lineup, turn % lineup->total * lineup->stride % lineup->total);
}
