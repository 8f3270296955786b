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
/* For which a quantile is taken for what it was: finding it is a walk over words that all workers
 * write to. */
#define QUANTILE_SECONDS 0.25

/* Of struct hedge_totals, in its order. */
static const char *const NAMES[] = {"moongate_hedges_total", "moongate_hedges_won_total",
                                    "moongate_hedges_refused_total",
                                    "moongate_hedges_reported_total"};

bool hedge_rules_are(const struct hedge_rules *one, const struct hedge_rules *other)
{
    return one->attempts == other->attempts && one->after_seconds == other->after_seconds &&
           one->after_quantile == other->after_quantile && one->share == other->share &&
           one->is_report_only == other->is_report_only;
}

static struct answer_times *times_of(struct cluster *cluster)
{
    const struct answer_times_table *table = cluster->clusters->times;
    struct answer_times *shared = NULL;

    if (table != NULL && cluster->row != NAME_NONE)
        shared = answer_times_of(table, cluster->name);
    return shared != NULL ? shared : &cluster->hedging->own_times;
}

struct hedging *hedging_of(struct cluster *cluster)
{
    struct metric_labels labels = {.length = 0};
    struct hedging *hedging = cluster->hedging;

    if (hedging != NULL)
        return hedging;
    hedging = cluster->hedging = mem_zeroed(sizeof(*hedging));
    uint64_t **words[] = {&hedging->sent, &hedging->won, &hedging->refused, &hedging->reported};
    _Static_assert(ARRAY_LENGTH(words) == ARRAY_LENGTH(NAMES), "a word for each");
    cluster_settle_budget(cluster, &hedging->budget, TARGET_BOARD_HEDGEABLE,
                          cluster->words->hedges);
    hedging->times = times_of(cluster);
    metric_labels_add(&labels, "upstream", cluster->name);
    for (size_t i = 0; i < ARRAY_LENGTH(words); i++)
        *words[i] =
            metric_labels_total(&labels, cluster->clusters->counters, NAMES[i], &hedging->own[i]);
    return hedging;
}

double hedging_patience(struct hedging *hedging, const struct hedge_rules *rules, double now)
{
    if (rules->after_quantile == 0)
        return rules->after_seconds;
    if (now < hedging->known_until && hedging->quantile == rules->after_quantile)
        return hedging->quantile_seconds;
    hedging->quantile = rules->after_quantile;
    hedging->quantile_seconds = answer_times_quantile(hedging->times, rules->after_quantile, now);
    /* What is not known yet may be with the next answer. */
    hedging->known_until = hedging->quantile_seconds > 0 ? now + QUANTILE_SECONDS : 0;
    return hedging->quantile_seconds;
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

struct hedge_totals hedging_totals(const struct counter_table *counters, struct slice upstream)
{
    struct metric_labels labels = {.length = 0};

    metric_labels_add(&labels, "upstream", upstream);
    return (struct hedge_totals){
        .sent = metric_labels_sum(&labels, counters, NAMES[0]),
        .won = metric_labels_sum(&labels, counters, NAMES[1]),
        .refused = metric_labels_sum(&labels, counters, NAMES[2]),
        .reported = metric_labels_sum(&labels, counters, NAMES[3]),
    };
}
