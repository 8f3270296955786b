/*
 * ejection — whether a target is set aside for how it answered, as one word that all workers share.
 *
 * Failures in a row, or whoever calls ejection_begin(), set it aside for a time that doubles with
 * each time in a row. When that has passed it is on trial: one request, of one worker, tries it,
 * and how that goes is the verdict. Who has claimed the trial and dies leaves nothing behind: the
 * time runs again, and then another one may.
 *
 * The word: 39 to 0 milliseconds until when it is set aside, or since when it is well again; 45 to
 * 40 how many times in a row; 61 to 46 failures in a row; 62 whether it is set aside.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EJECTION_FAILURES_SHIFT 46

struct ejection_rules {
    unsigned failures_max; /* in a row that set it aside; at least 1 */
    double seconds, seconds_max;
};

/* Not set aside, and no failure since the last answer: another answer changes nothing. */
static inline bool ejection_is_quiet(uint64_t word)
{
    return word >> EJECTION_FAILURES_SHIFT == 0;
}

/* `now` here and below: seconds of the clock that all workers share, see loop_uptime(). */
/* Set aside, on trial included. */
bool ejection_is_active(uint64_t word);
/* Until when; the past when it is on trial. Of one that is active. */
double ejection_until(uint64_t word);
unsigned ejection_failures(uint64_t word);

/* Whether the caller may be the one who tries. */
bool ejection_claim_trial(uint64_t *word, double now, const struct ejection_rules *rules);
/* It answered. True: it was set aside until now. */
bool ejection_succeed(uint64_t *word, double now);
/* It failed, on trial or not. True: it is set aside from now on, and was not before. */
bool ejection_fail(uint64_t *word, bool is_trial, double now, const struct ejection_rules *rules);
/* Sets it aside, unless it is: false. */
bool ejection_begin(uint64_t *word, double now, const struct ejection_rules *rules);
