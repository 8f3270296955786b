/*
 * ejection — the word taken apart, changed and put together again, in one step.
 */
#include "upstream/ejection.h"

#include <assert.h>

#define TIME_BITS    40
#define TIMES_BITS   6
#define FAILURE_BITS 16
#define TIMES_MAX    ((1U << TIMES_BITS) - 1)
#define FAILURES_MAX ((1U << FAILURE_BITS) - 1)
#define ACTIVE       (1ULL << (TIME_BITS + TIMES_BITS + FAILURE_BITS))

_Static_assert(TIME_BITS + TIMES_BITS == EJECTION_FAILURES_SHIFT, "as the header says");

struct parts {
    uint64_t ms;
    unsigned times, failures;
    bool is_active;
};

static struct parts parts_of(uint64_t word)
{
    return (struct parts){
        .ms = word & ((1ULL << TIME_BITS) - 1),
        .times = (unsigned)(word >> TIME_BITS) & TIMES_MAX,
        .failures = (unsigned)(word >> (TIME_BITS + TIMES_BITS)) & FAILURES_MAX,
        .is_active = (word & ACTIVE) != 0,
    };
}

static uint64_t word_of(const struct parts *parts)
{
    return (parts->ms & ((1ULL << TIME_BITS) - 1)) | (uint64_t)parts->times << TIME_BITS |
           (uint64_t)parts->failures << (TIME_BITS + TIMES_BITS) | (parts->is_active ? ACTIVE : 0);
}

static uint64_t ms_of(double seconds)
{
    return (uint64_t)(seconds * 1000);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static bool swap(uint64_t *word, uint64_t *seen, const struct parts *parts)
{
    return __atomic_compare_exchange_n(word, seen, word_of(parts), false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

bool ejection_is_active(uint64_t word)
{
    return (word & ACTIVE) != 0;
}

double ejection_until(uint64_t word)
{
    return (double)parts_of(word).ms / 1000;
}

unsigned ejection_failures(uint64_t word)
{
    return parts_of(word).failures;
}

/* Of the time that is the `times`th in a row, from 1 on. */
static double seconds_of(unsigned times, const struct ejection_rules *rules)
{
    double seconds = rules->seconds;
    while (--times > 0 && seconds < rules->seconds_max)
        seconds *= 2;
    return seconds < rules->seconds_max ? seconds : rules->seconds_max;
}

/* Who was well for as long as it had been set aside begins anew. */
static void set_aside(struct parts *parts, double now, const struct ejection_rules *rules)
{
    if (!parts->is_active && parts->times > 0 &&
        now - (double)parts->ms / 1000 >= seconds_of(parts->times, rules))
        parts->times = 0;
    if (parts->times < TIMES_MAX)
        parts->times++;
    parts->is_active = true;
    parts->ms = ms_of(now + seconds_of(parts->times, rules));
}

bool ejection_claim_trial(uint64_t *word, double now, const struct ejection_rules *rules)
{
    uint64_t seen = load(word);
    struct parts parts = parts_of(seen);

    if (!parts.is_active || ms_of(now) < parts.ms)
        return false;
    parts.ms = ms_of(now + rules->seconds) + 1;
    return swap(word, &seen, &parts);
}

bool ejection_succeed(uint64_t *word, double now)
{
    uint64_t seen = load(word);

    for (;;) {
        struct parts parts = parts_of(seen);
        if (!parts.is_active && parts.failures == 0)
            return false;
        bool was_active = parts.is_active;
        if (was_active)
            parts.ms = ms_of(now);
        parts.is_active = false;
        parts.failures = 0;
        if (swap(word, &seen, &parts))
            return was_active;
    }
}

bool ejection_fail(uint64_t *word, bool is_trial, double now, const struct ejection_rules *rules)
{
    uint64_t seen = load(word);

    assert(rules->failures_max > 0);
    for (;;) {
        struct parts parts = parts_of(seen);
        bool was_active = parts.is_active;
        if (parts.failures < FAILURES_MAX)
            parts.failures++;
        /* Requests that were under way when it was set aside tell nothing new. */
        if (is_trial || (!was_active && parts.failures >= rules->failures_max))
            set_aside(&parts, now, rules);
        if (swap(word, &seen, &parts))
            return parts.is_active && !was_active;
    }
}

bool ejection_begin(uint64_t *word, double now, const struct ejection_rules *rules)
{
    uint64_t seen = load(word);

    for (;;) {
        struct parts parts = parts_of(seen);
        if (parts.is_active)
            return false;
        set_aside(&parts, now, rules);
        if (swap(word, &seen, &parts))
            return true;
    }
}
