/*
 * answer_times — how long an upstream's answers took lately, for questions about their quantiles.
 *
 * Counts in buckets an eighth of an octave wide, from 61 microseconds to 128 seconds, of the last
 * ANSWER_TIMES_SECONDS (between one and two times half of that). What is not known exactly since
 * nobody waited for it may be told as the time that was waited: a quantile below stays what it is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ANSWER_TIMES_SECONDS 60.0
/* Fewer say nothing; of high quantiles more are needed, so that one lies beyond. */
#define ANSWER_TIMES_MIN     20
#define ANSWER_TIMES_BUCKETS (8 * 21)

/* Zeroed: none yet. */
struct answer_times {
    double window_started;
    uint32_t counts[2][ANSWER_TIMES_BUCKETS]; /* of this half of the window, and the one before */
    uint64_t totals[2];
};

/* `now` is loop_monotonic(), here and below. */
void answer_times_add(struct answer_times *times, double seconds, double now);
/* What `quantile` (above 0, below 1) of them took at most, at most 9 % too much; 0: not known. */
double answer_times_quantile(struct answer_times *times, double quantile, double now);
