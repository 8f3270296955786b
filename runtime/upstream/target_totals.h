/*
 * target_totals — where the attempts and the errors of a target are counted.
 *
 * In words of the worker's own lane of the shared counters, so that they outlive the worker; in the
 * target's own where nobody shares any, or where too many targets have one already.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct counter_table;

struct target_totals {
    uint64_t *attempts, *errors;
    uint64_t own[2];
};

/*
 * `text` is the target's. NULL counters: in `own`. The totals may not move afterwards.
 */
void target_totals_init(struct target_totals *totals, const struct counter_table *counters,
                        struct slice upstream, struct slice text);
/* One more probe of the target; NULL counters: nowhere. Looks its counter up. */
void target_totals_count_probe(const struct counter_table *counters, struct slice upstream,
                               struct slice text, bool is_well);
