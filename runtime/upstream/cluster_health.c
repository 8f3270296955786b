/*
 * cluster_health — what attempts tell of a cluster's targets, and who is in its lineup for that.
 */
#include "upstream/cluster_parts.h"
#include "upstream/latency.h"

void cluster_make_lineup(struct cluster *cluster, uint64_t changes, double now)
{
    lineup_make(&cluster->lineup, cluster->targets, cluster->target_count, &cluster->lineup_rules,
                now);
    cluster->lineup.changes = changes;
}

void cluster_note_change(const struct cluster *cluster)
{
    __atomic_fetch_add(&cluster->words->changes, 1, __ATOMIC_RELEASE);
}

uint64_t cluster_active(const struct cluster *cluster)
{
    return cluster->row != NAME_NONE
               ? series_sum(&cluster->board->active, cluster->row, TARGET_BOARD_ACTIVE)
               : cluster->own_active[TARGET_BOARD_ACTIVE];
}

void cluster_welcome(const struct cluster *cluster, struct target *target, double now)
{
    __atomic_store_n(&target->words->joined, (uint64_t)(now * 1000), __ATOMIC_RELAXED);
    cluster_note_change(cluster);
}

/* Whether one more may be set aside for bad answers: they are better than none. */
static bool may_eject(const struct cluster *cluster)
{
    size_t ejected = 1;

    for (size_t i = 0; i < cluster->target_count; i++) {
        const uint64_t *word = &cluster->targets[i]->words->ejection;
        ejected += ejection_is_active(__atomic_load_n(word, __ATOMIC_RELAXED));
    }
    return (double)ejected <=
           cluster->outlier_rules.ejected_share_max * (double)cluster->target_count;
}

/* True: it is set aside for that. */
static bool count_outlier(const struct cluster *cluster, struct target *target, bool is_bad,
                          double now)
{
    const struct outlier_rules *rules = &cluster->outlier_rules;

    if (rules->share <= 0 || !outliers_count(&target->words->window, is_bad, now, rules) ||
        !may_eject(cluster))
        return false;
    return ejection_begin(&target->words->ejection, now, &cluster->ejection_rules);
}

enum cluster_news cluster_note_answer(struct cluster *cluster, struct target *target,
                                      const struct cluster_answer *answer)
{
    const struct outlier_rules *rules = &cluster->outlier_rules;
    bool is_slow = rules->slow_seconds > 0 && answer->seconds > rules->slow_seconds;
    enum cluster_news news = CLUSTER_NO_NEWS;

    if (cluster->balance == CLUSTER_LATENCY)
        latency_observe(&target->words->latency, answer->seconds, answer->now);
    if (ejection_succeed(&target->words->ejection, answer->now)) {
        cluster_welcome(cluster, target, answer->now);
        news = CLUSTER_TARGET_BACK;
    }
    if (count_outlier(cluster, target, answer->is_bad || is_slow, answer->now)) {
        cluster_note_change(cluster);
        news = CLUSTER_TARGET_OUT;
    }
    return news;
}

/* As what is slower than the average counts at once, and what is faster may not have been. */
void cluster_note_overtaken(struct cluster *cluster, struct target *target,
                            const struct cluster_answer *answer)
{
    uint64_t *word = &target->words->latency;

    if (cluster->balance == CLUSTER_LATENCY && answer->seconds > latency_read(word, answer->now))
        latency_observe(word, answer->seconds, answer->now);
}

enum cluster_news cluster_note_failure(struct cluster *cluster, struct target *target,
                                       enum fault fault, const struct cluster_answer *answer)
{
    bool is_out =
        target_fail(target, fault, answer->is_trial, &cluster->ejection_rules, answer->now);

    if (cluster->balance == CLUSTER_LATENCY) {
        bool is_fast = answer->seconds < LATENCY_OF_FAILURE;
        latency_observe(&target->words->latency, is_fast ? LATENCY_OF_FAILURE : answer->seconds,
                        answer->now);
    }
    if (count_outlier(cluster, target, true, answer->now))
        is_out = true;
    if (is_out || answer->is_trial)
        cluster_note_change(cluster);
    return is_out ? CLUSTER_TARGET_OUT : CLUSTER_NO_NEWS;
}
