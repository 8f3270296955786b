/*
 * outliers — the share of a target's answers that are bad, as one word that all workers share.
 *
 * Bad is an answer of 500 or more, one whose head came too late, or none. Counted in windows of
 * time, each on its own. The word: 23 to 0 the number of the window, 43 to 24 the answers in it, 63
 * to 44 the bad ones.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct outlier_rules {
    double share;          /* of bad answers from which on it is one; 0: nobody counts */
    double slow_seconds;   /* later is bad; 0: however late */
    double window_seconds; /* above 0 */
    unsigned requests_min; /* in the window before there is a verdict */
    double ejected_share_max;
};

/* One more answer; true: with it the target is an outlier, and the window begins anew. `now`: see
 * ejection.h. */
bool outliers_count(uint64_t *word, bool is_bad, double now, const struct outlier_rules *rules);
