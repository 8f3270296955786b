/*
 * counter — numbers that all workers count together, by name and labels.
 *
 * Adding is one plain addition to the worker's own word; reading sums over the
 * workers. What is measured in time is counted in nanoseconds. Names beyond the
 * cap share slot 0, so nothing counted is lost, and counter_dropped() tells.
 *
 * Repair: see series.h and name_table.h. A gauge says what is now, so the
 * master resets a dead worker's gauges before it starts the replacement.
 */
#pragma once

#include "shm/series.h"

/* Slot of everything beyond the cap; it has no name. */
#define COUNTER_OVERFLOW NAME_NONE

enum counter_kind {
    COUNTER_TOTAL,       /* only grows */
    COUNTER_NANOSECONDS, /* only grows; shown as seconds */
    COUNTER_GAUGE        /* signed; each worker's part on its own */
};

struct counter_limits {
    uint32_t lanes;    /* workers and master; see series.h */
    uint32_t slots;    /* slot 0 included */
    size_t text_bytes; /* of all names and labels */
};

/* This process's view. */
struct counter_table {
    struct series series;
};

struct counter_view {
    struct slice name, labels;
    enum counter_kind kind;
    uint32_t slot;
    int64_t value;
};

size_t counter_table_bytes(const struct counter_limits *limits);
bool counter_table_init(struct counter_table *table, struct segment *segment, const char *name,
                        const struct counter_limits *limits);
/* Before anything is added: the lane that this process writes. */
void counter_table_attach(struct counter_table *table, uint32_t lane);

/*
 * The slot of a counter, the same in all processes, given now if it is new.
 * `labels` are as the text format shows them, `code="200",route="users"`, and
 * compare as they are written. Look it up once and keep it.
 */
uint32_t counter_slot(const struct counter_table *table, enum counter_kind kind, struct slice name,
                      struct slice labels);

/*
 * The same for what there may be very many of: COUNTER_OVERFLOW for a new one once half of all
 * slots are taken, so that others find room.
 */
uint32_t counter_slot_of_many(const struct counter_table *table, enum counter_kind kind,
                              struct slice name, struct slice labels);

/* The same without giving one: COUNTER_OVERFLOW when there is none. */
uint32_t counter_find(const struct counter_table *table, enum counter_kind kind, struct slice name,
                      struct slice labels);

void counter_add(const struct counter_table *table, uint32_t slot, uint64_t amount);
/* This worker's part of a gauge. */
void counter_gauge_add(const struct counter_table *table, uint32_t slot, int64_t amount);
void counter_gauge_set(const struct counter_table *table, uint32_t slot, int64_t value);

/* The sum over all lanes. */
int64_t counter_value(const struct counter_table *table, uint32_t slot);
/* Visits all counters that have a name, in no order; `*cursor` begins at 0. */
bool counter_next(const struct counter_table *table, size_t *cursor, struct counter_view *view);

/* Zeroes the gauges of a lane that no living process writes. */
void counter_lane_reset_gauges(const struct counter_table *table, uint32_t lane);

/* Counters with a name, and how often one was refused for want of room. */
uint32_t counter_count(const struct counter_table *table);
uint64_t counter_dropped(const struct counter_table *table);
