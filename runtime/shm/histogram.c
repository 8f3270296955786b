/*
 * histogram — series whose rows are the buckets, with the sum of all times behind them.
 */
#include "shm/histogram.h"

#include <assert.h>

#define MICROSECOND 1000ULL
#define MILLISECOND 1000000ULL
#define SECOND      1000000000ULL

static const uint64_t BOUNDS[HISTOGRAM_BUCKETS] = {
    10 * MICROSECOND,  25 * MICROSECOND, 50 * MICROSECOND,    100 * MICROSECOND, 250 * MICROSECOND,
    500 * MICROSECOND, 1 * MILLISECOND,  5 * MILLISECOND / 2, 5 * MILLISECOND,   10 * MILLISECOND,
    25 * MILLISECOND,  50 * MILLISECOND, 100 * MILLISECOND,   250 * MILLISECOND, 500 * MILLISECOND,
    1 * SECOND,        5 * SECOND / 2,   5 * SECOND,          10 * SECOND,       30 * SECOND,
    60 * SECOND,       300 * SECOND,     UINT64_MAX,
};

/* The first bucket that a number of so many bits may belong in. */
static const uint8_t FIRST_BY_BITS[] = {
    0, 0, 0, 0, 0, 0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  1,  2,  3,  4,  5,
    6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16, 17, 18, 19, 20, 21, 21, 21,
};

static struct series_limits series_limits_of(const struct histogram_limits *limits)
{
    return (struct series_limits){.lanes = limits->lanes,
                                  .rows = limits->slots,
                                  .words = HISTOGRAM_BUCKETS + 1,
                                  .text_bytes = limits->text_bytes};
}

size_t histogram_table_bytes(const struct histogram_limits *limits)
{
    struct series_limits series = series_limits_of(limits);
    return series_bytes(&series);
}

bool histogram_table_init(struct histogram_table *table, struct segment *segment, const char *name,
                          const struct histogram_limits *limits)
{
    struct series_limits series = series_limits_of(limits);
    return series_init(&table->series, segment, name, &series);
}

void histogram_table_attach(struct histogram_table *table, uint32_t lane)
{
    series_attach(&table->series, lane);
}

uint32_t histogram_slot(const struct histogram_table *table, struct slice name, struct slice labels)
{
    return series_row(&table->series, 0, name, labels);
}

/* At most two bounds lie between a power of two and the next. */
static uint32_t bucket_of(uint64_t duration_ns)
{
    uint32_t bits = 64 - (uint32_t)__builtin_clzll(duration_ns | 1);
    if (bits >= sizeof(FIRST_BY_BITS))
        return HISTOGRAM_BUCKETS - 1;
    uint32_t bucket = FIRST_BY_BITS[bits];
    while (duration_ns > BOUNDS[bucket])
        bucket++;
    return bucket;
}

void histogram_observe(const struct histogram_table *table, uint32_t slot, uint64_t duration_ns)
{
    uint64_t *row = series_mine(&table->series, slot);
    series_add(row + bucket_of(duration_ns), 1);
    series_add(row + HISTOGRAM_BUCKETS, duration_ns);
}

uint64_t histogram_bound_ns(uint32_t bucket)
{
    assert(bucket < HISTOGRAM_BUCKETS);
    return BOUNDS[bucket];
}

void histogram_read(const struct histogram_table *table, uint32_t slot, struct histogram_sum *sum)
{
    sum->count = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        sum->buckets[i] = series_sum(&table->series, slot, i);
        sum->count += sum->buckets[i];
    }
    sum->total_ns = series_sum(&table->series, slot, HISTOGRAM_BUCKETS);
}

bool histogram_next(const struct histogram_table *table, size_t *cursor,
                    struct histogram_view *view)
{
    struct name_view name;
    if (!name_table_next(&table->series.names, cursor, &name))
        return false;
    *view = (struct histogram_view){name.name, name.labels, name.number};
    return true;
}

uint32_t histogram_count(const struct histogram_table *table)
{
    return name_table_count(&table->series.names);
}

uint64_t histogram_dropped(const struct histogram_table *table)
{
    return name_table_refused(&table->series.names);
}
