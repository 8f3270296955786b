/*
 * metric_labels — the labels under which something of an upstream is counted, as /metrics shows
 * them.
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

struct counter_table;

/* As moongate.metrics has it: longer values are cut. */
#define METRIC_LABEL_VALUE_BYTES_MAX 256
#define METRIC_LABELS_BYTES_MAX      (2 * 2 * METRIC_LABEL_VALUE_BYTES_MAX + 64)

/* Zeroed: none yet. Up to two fit. */
struct metric_labels {
    char text[METRIC_LABELS_BYTES_MAX];
    size_t length;
};

/* One more. In a value with any byte that is not UTF-8, '?' stands for all beyond ASCII. */
void metric_labels_add(struct metric_labels *labels, const char *name, struct slice value);
/*
 * The word of this process's own lane where that total is counted; `own` where nobody shares any
 * counters, or where too many such totals have one already.
 */
uint64_t *metric_labels_total(const struct metric_labels *labels,
                              const struct counter_table *counters, const char *name,
                              uint64_t *own);
/* What all workers together have counted there; 0 when none has. */
uint64_t metric_labels_sum(const struct metric_labels *labels, const struct counter_table *counters,
                           const char *name);
