/*
 * latency — the average and its time in one word.
 */
#include "upstream/latency.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

struct parts {
    float seconds;
    uint32_t ms; /* wraps after seven weeks: that long without an answer, and it may seem new */
};
_Static_assert(sizeof(struct parts) == sizeof(uint64_t), "a word");

static struct parts parts_of(uint64_t word)
{
    struct parts parts;
    memcpy(&parts, &word, sizeof(parts));
    return parts;
}

/* What is left of the average's weight. */
static double share_left(const struct parts *parts, double now)
{
    uint32_t age_ms = (uint32_t)(uint64_t)(now * 1000) - parts->ms;
    if (age_ms > INT32_MAX) /* told by a worker whose turn began later */
        age_ms = 0;
    return exp(-(double)age_ms / (LATENCY_DECAY_SECONDS * 1000));
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
void latency_observe(uint64_t *word, double seconds, double now)
{
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED), next;
    struct parts parts = parts_of(seen);
    double average = parts.seconds;

    if (seen == 0 || seconds >= average) {
        average = seconds;
    } else {
        double left = share_left(&parts, now);
        average = average * left + seconds * (1 - left);
    }
    parts.seconds = (float)average;
    parts.ms = (uint32_t)(uint64_t)(now * 1000);
    memcpy(&next, &parts, sizeof(next));
    __atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

double latency_read(const uint64_t *word, double now)
{
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    struct parts parts = parts_of(seen);

    return seen == 0 ? 0 : parts.seconds * share_left(&parts, now);
}
