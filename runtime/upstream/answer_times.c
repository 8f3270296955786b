/*
 * answer_times — two half windows that take turns; a quantile is a walk over the buckets.
 */
#include "upstream/answer_times.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define HALF_SECONDS   (ANSWER_TIMES_SECONDS / 2)
#define PER_OCTAVE     8
#define FIRST_EXPONENT (-14)

static void roll(struct answer_times *times, double now)
{
    double age = now - times->window_started;

    if (age < HALF_SECONDS)
        return;
    bool is_next = age < ANSWER_TIMES_SECONDS;
    if (is_next)
        memcpy(times->counts[1], times->counts[0], sizeof(times->counts[1]));
    else
        memset(times->counts[1], 0, sizeof(times->counts[1]));
    times->totals[1] = is_next ? times->totals[0] : 0;
    memset(times->counts[0], 0, sizeof(times->counts[0]));
    times->totals[0] = 0;
    times->window_started = is_next ? times->window_started + HALF_SECONDS : now;
}

static unsigned bucket_of(double seconds)
{
    int exponent;
    double fraction = frexp(seconds, &exponent); /* 0.5 to 1, times two to that power */
    int bucket =
        (exponent - 1 - FIRST_EXPONENT) * PER_OCTAVE + (int)((fraction - 0.5) * 2 * PER_OCTAVE);

    if (seconds <= 0 || bucket < 0)
        return 0;
    return bucket < ANSWER_TIMES_BUCKETS ? (unsigned)bucket : ANSWER_TIMES_BUCKETS - 1;
}

/* Where the next bucket begins. */
static double end_of(unsigned bucket)
{
    unsigned next = bucket + 1;
    return ldexp(1 + (double)(next % PER_OCTAVE) / PER_OCTAVE,
                 (int)(next / PER_OCTAVE) + FIRST_EXPONENT);
}

void answer_times_add(struct answer_times *times, double seconds, double now)
{
    roll(times, now);
    times->counts[0][bucket_of(seconds)]++;
    times->totals[0]++;
}

double answer_times_quantile(struct answer_times *times, double quantile, double now)
{
    assert(quantile > 0 && quantile < 1);
    roll(times, now);
    double total = (double)(times->totals[0] + times->totals[1]), seen = 0;

    if (total < ANSWER_TIMES_MIN || total * (1 - quantile) < 1)
        return 0;
    for (unsigned i = 0; i < ANSWER_TIMES_BUCKETS; i++) {
        seen += times->counts[0][i] + times->counts[1][i];
        if (seen >= total * quantile)
            return end_of(i);
    }
    return end_of(ANSWER_TIMES_BUCKETS - 1);
}
