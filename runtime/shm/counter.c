/*
 * counter — series whose rows are one word.
 */
#include "shm/counter.h"

static struct series_limits series_limits_of(const struct counter_limits *limits)
{
    return (struct series_limits){.lanes = limits->lanes,
                                  .rows = limits->slots,
                                  .words = 1,
                                  .text_bytes = limits->text_bytes};
}

size_t counter_table_bytes(const struct counter_limits *limits)
{
    struct series_limits series = series_limits_of(limits);
    return series_bytes(&series);
}

bool counter_table_init(struct counter_table *table, struct segment *segment, const char *name,
                        const struct counter_limits *limits)
{
    struct series_limits series = series_limits_of(limits);
    return series_init(&table->series, segment, name, &series);
}

void counter_table_attach(struct counter_table *table, uint32_t lane)
{
    series_attach(&table->series, lane);
}

uint32_t counter_slot(const struct counter_table *table, enum counter_kind kind, struct slice name,
                      struct slice labels)
{
    return series_row(&table->series, kind, name, labels);
}

uint32_t counter_find(const struct counter_table *table, enum counter_kind kind, struct slice name,
                      struct slice labels)
{
    return name_table_find(&table->series.names, kind, name, labels);
}

uint32_t counter_slot_of_many(const struct counter_table *table, enum counter_kind kind,
                              struct slice name, struct slice labels)
{
    uint32_t slot = counter_find(table, kind, name, labels);
    bool has_room = counter_count(table) < table->series.rows / 2;
    return slot == COUNTER_OVERFLOW && has_room ? counter_slot(table, kind, name, labels) : slot;
}

void counter_add(const struct counter_table *table, uint32_t slot, uint64_t amount)
{
    series_add(series_mine(&table->series, slot), amount);
}

void counter_gauge_add(const struct counter_table *table, uint32_t slot, int64_t amount)
{
    series_add(series_mine(&table->series, slot), (uint64_t)amount);
}

void counter_gauge_set(const struct counter_table *table, uint32_t slot, int64_t value)
{
    series_store(series_mine(&table->series, slot), (uint64_t)value);
}

int64_t counter_value(const struct counter_table *table, uint32_t slot)
{
    return (int64_t)series_sum(&table->series, slot, 0);
}

bool counter_next(const struct counter_table *table, size_t *cursor, struct counter_view *view)
{
    struct name_view name;
    if (!name_table_next(&table->series.names, cursor, &name))
        return false;
    *view = (struct counter_view){.name = name.name,
                                  .labels = name.labels,
                                  .kind = (enum counter_kind)name.kind,
                                  .slot = name.number,
                                  .value = counter_value(table, name.number)};
    return true;
}

void counter_lane_reset_gauges(const struct counter_table *table, uint32_t lane)
{
    struct series other = table->series;
    struct name_view name;
    size_t cursor = 0;

    series_attach(&other, lane);
    while (name_table_next(&other.names, &cursor, &name)) {
        if (name.kind == COUNTER_GAUGE)
            series_store(series_mine(&other, name.number), 0);
    }
}

uint32_t counter_count(const struct counter_table *table)
{
    return name_table_count(&table->series.names);
}

uint64_t counter_dropped(const struct counter_table *table)
{
    return name_table_refused(&table->series.names);
}
