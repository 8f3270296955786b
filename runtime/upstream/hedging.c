/*
 * hedging — the cluster's budget for second attempts, the times it goes by, and what is counted.
 */
#include "upstream/hedging.h"

#include "base/mem.h"
#include "shm/series.h"
#include "upstream/cluster_parts.h"
#include "upstream/metric_labels.h"

/* Whatever the share is: who has few requests has few that are slow. */
#define PER_SECOND_MIN 1

bool hedge_rules_are(const struct hedge_rules *one, const struct hedge_rules *other)
{
    return one->attempts == other->attempts && one->after_seconds == other->after_seconds &&
           one->after_quantile == other->after_quantile && one->share == other->share &&
           one->is_report_only == other->is_report_only;
}

struct hedging *hedging_of(struct cluster *cluster)
{
    static const char *const NAMES[] = {"moongate_hedges_total", "moongate_hedges_won_total",
                                        "moongate_hedges_refused_total",
                                        "moongate_hedges_reported_total"};
    struct metric_labels labels = {.length = 0};
    struct hedging *hedging = cluster->hedging;

    if (hedging != NULL)
        return hedging;
    hedging = cluster->hedging = mem_zeroed(sizeof(*hedging));
    uint64_t **words[] = {&hedging->sent, &hedging->won, &hedging->refused, &hedging->reported};
    cluster_settle_budget(cluster, &hedging->budget, TARGET_BOARD_HEDGEABLE,
                          cluster->words->hedges);
    metric_labels_add(&labels, "upstream", cluster->name);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        *words[i] =
            metric_labels_total(&labels, cluster->clusters->counters, NAMES[i], &hedging->own[i]);
    return hedging;
}

double hedging_patience(struct hedging *hedging, const struct hedge_rules *rules, double now)
{
    if (rules->after_quantile > 0)
        return answer_times_quantile(&hedging->times, rules->after_quantile, now);
    return rules->after_seconds;
}

bool hedging_take(struct hedging *hedging, const struct hedge_rules *rules, double now)
{
    retry_budget_configure(&hedging->budget, rules->share, PER_SECOND_MIN);
    if (!retry_budget_take(&hedging->budget, now)) {
        series_add(hedging->refused, 1);
        return false;
    }
    if (rules->is_report_only)
        series_add(hedging->reported, 1);
    return !rules->is_report_only;
}
