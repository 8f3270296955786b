/*
 * answer_times — halves of a window that take turns; a quantile is a walk over the buckets.
 */
#include "shm/answer_times.h"

#include <assert.h>
#include <math.h>

#define LAYOUT             1
#define NAME_BYTES_AVERAGE 64
#define HALF_SECONDS       (ANSWER_TIMES_SECONDS / 2)
#define PER_OCTAVE         8
#define FIRST_EXPONENT     (-14)

static struct name_table_limits names_limits(void)
{
    return (struct name_table_limits){.names = ANSWER_TIMES_MAX + 1,
                                      .text_bytes = (size_t)ANSWER_TIMES_MAX * NAME_BYTES_AVERAGE};
}

static size_t times_bytes(void)
{
    return (ANSWER_TIMES_MAX + 1) * sizeof(struct answer_times);
}

size_t answer_times_bytes(void)
{
    struct name_table_limits limits = names_limits();
    size_t bytes = times_bytes() + name_table_bytes(&limits);
    return (bytes + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
}

bool answer_times_init(struct answer_times_table *table, struct segment *segment, const char *name)
{
    struct name_table_limits limits = names_limits();
    char *memory = segment_allot(segment, name, LAYOUT, answer_times_bytes());

    if (memory == NULL)
        return false;
    table->times = (struct answer_times *)(void *)memory;
    return name_table_init(&table->names, memory + times_bytes(), &limits,
                           segment_hash_key(segment));
}

struct answer_times *answer_times_of(const struct answer_times_table *table, struct slice upstream)
{
    uint32_t number = name_table_intern(&table->names, 0, upstream, SLICE_NONE);
    return number != NAME_NONE ? &table->times[number] : NULL;
}

static uint32_t *place_of(struct answer_times *times, uint64_t half)
{
    return times->counts[half % ANSWER_TIMES_PLACES];
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static void clear(uint32_t *counts)
{
    for (unsigned i = 0; i < ANSWER_TIMES_BUCKETS; i++)
        __atomic_store_n(&counts[i], 0, __ATOMIC_RELAXED);
}

/* The half that `now` is in has begun; which one that is, or a later one where a clock is ahead. */
static uint64_t turn(struct answer_times *times, double now)
{
    uint64_t half = (uint64_t)(now / HALF_SECONDS);
    uint64_t seen = __atomic_load_n(&times->half, __ATOMIC_ACQUIRE);

    while (half > seen) {
        clear(place_of(times, half));
        if (half > seen + 1)
            clear(place_of(times, half - 1)); /* nothing came in the one before */
        if (__atomic_compare_exchange_n(&times->half, &seen, half, false, __ATOMIC_RELEASE,
                                        __ATOMIC_ACQUIRE))
            return half;
    }
    return seen;
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
    uint32_t *counts = place_of(times, turn(times, now));
    __atomic_fetch_add(&counts[bucket_of(seconds)], 1, __ATOMIC_RELAXED);
}

/* Of both halves; the sum of all. */
static double read_counts(struct answer_times *times, double now,
                          uint32_t counts[ANSWER_TIMES_BUCKETS])
{
    uint64_t half = turn(times, now);
    const uint32_t *these = place_of(times, half), *before = place_of(times, half + 2);
    double total = 0;

    for (unsigned i = 0; i < ANSWER_TIMES_BUCKETS; i++) {
        counts[i] = __atomic_load_n(&these[i], __ATOMIC_RELAXED) +
                    __atomic_load_n(&before[i], __ATOMIC_RELAXED);
        total += counts[i];
    }
    return total;
}

double answer_times_quantile(struct answer_times *times, double quantile, double now)
{
    uint32_t counts[ANSWER_TIMES_BUCKETS];
    double total = read_counts(times, now, counts), seen = 0;

    assert(quantile > 0 && quantile < 1);
    if (total < ANSWER_TIMES_LEAST || total * (1 - quantile) < 1)
        return 0;
    for (unsigned i = 0; i < ANSWER_TIMES_BUCKETS; i++) {
        seen += counts[i];
        if (seen >= total * quantile)
            return end_of(i);
    }
    return end_of(ANSWER_TIMES_BUCKETS - 1);
}
