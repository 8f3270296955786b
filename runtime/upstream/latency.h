/*
 * latency — how long a target takes to answer, as one word that all workers share.
 *
 * A peak EWMA: what is slower than the average replaces it at once, what is faster pulls it down
 * over LATENCY_DECAY_SECONDS. So a target that becomes slow is avoided from the first answer on,
 * and found again slowly. The word: the seconds as a float, and the time of the last answer in
 * milliseconds. When two workers tell at once, one of them is not heard.
 */
#pragma once

#include <stdint.h>

#define LATENCY_DECAY_SECONDS 10.0
/* What an attempt that failed counts as, at least: failing fast is no merit. */
#define LATENCY_OF_FAILURE 1.0

/* `now`: see ejection.h. */
void latency_observe(uint64_t *word, double seconds, double now);
/* Decayed to `now`; 0 when nothing was ever observed. */
double latency_read(const uint64_t *word, double now);
