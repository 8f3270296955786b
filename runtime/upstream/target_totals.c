/*
 * target_totals — the names and labels by which /metrics shows them.
 */
#include "upstream/target_totals.h"

#include "shm/counter.h"
#include "upstream/metric_labels.h"

static struct metric_labels describe(struct slice upstream, struct slice text)
{
    struct metric_labels labels = {.length = 0};
    metric_labels_add(&labels, "upstream", upstream);
    metric_labels_add(&labels, "target", text);
    return labels;
}

void target_totals_init(struct target_totals *totals, const struct counter_table *counters,
                        struct slice upstream, struct slice text)
{
    struct metric_labels labels = describe(upstream, text);

    *totals = (struct target_totals){.own = {0}};
    totals->attempts =
        metric_labels_total(&labels, counters, "moongate_target_attempts_total", &totals->own[0]);
    totals->errors =
        metric_labels_total(&labels, counters, "moongate_target_errors_total", &totals->own[1]);
}

void target_totals_count_probe(const struct counter_table *counters, struct slice upstream,
                               struct slice text, bool is_well)
{
    struct metric_labels labels = describe(upstream, text);
    uint64_t nowhere = 0;

    if (counters == NULL)
        return;
    series_add(metric_labels_total(&labels, counters, "moongate_target_probes_total", &nowhere), 1);
    uint64_t *failures =
        metric_labels_total(&labels, counters, "moongate_target_probe_failures_total", &nowhere);
    series_add(failures, is_well ? 0 : 1);
}
