/*
 * lineup_rules — how much of an upstream's requests who may have; see lineup.h.
 */
#pragma once

#include <stdbool.h>

struct lineup_rules {
    /* A target that appears or comes back gets less at first, for so long; 0: all at once. */
    double slow_start_seconds;
    /* A tier whose usable weight is at least this share of its whole weight takes all requests;
     * below it what is missing goes to the next one. 0: as long as one is usable. */
    double spill_share;
    /* When fewer than this share of all targets can be used, all are. 0: when none is left. */
    double panic_share;
    bool is_probed; /* what probes say counts */
};
