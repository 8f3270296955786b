/*
 * export_shared — counters, histograms and the dictionary for Lua.
 */
#include <math.h>

#include "bridge/exports.h"
#include "bridge/numbers.h"
#include "shm/shared.h"

_Static_assert((int)MOON_COUNTER_TOTAL == (int)COUNTER_TOTAL &&
                   (int)MOON_COUNTER_SECONDS == (int)COUNTER_NANOSECONDS &&
                   (int)MOON_COUNTER_GAUGE == (int)COUNTER_GAUGE,
               "Lua's kinds are the counters'");
_Static_assert((int)MOON_DICT_NO_ROOM == (int)DICT_NO_ROOM &&
                   (int)MOON_DICT_MISSING == (int)DICT_MISSING,
               "Lua's outcomes are the dictionary's");

/* Lua hands scalars over in registers; a struct of them would have to be filled for each call. */
/* NOLINTBEGIN(readability-function-size) */

uint32_t moon_counter_slot(struct generation *generation, int kind, const char *name,
                           size_t name_length, const char *labels, size_t labels_length)
{
    return counter_slot(&shared_of(generation)->counters, (enum counter_kind)kind,
                        exports_slice(name, name_length), exports_slice(labels, labels_length));
}

void moon_counter_add(struct generation *generation, int kind, uint32_t slot, double amount)
{
    const struct counter_table *counters = &shared_of(generation)->counters;

    if (kind == MOON_COUNTER_GAUGE)
        counter_gauge_add(counters, slot, whole_signed(amount));
    else
        counter_add(counters, slot,
                    kind == MOON_COUNTER_SECONDS ? nanoseconds(amount) : whole(amount));
}

void moon_gauge_set(struct generation *generation, uint32_t slot, double value)
{
    counter_gauge_set(&shared_of(generation)->counters, slot, whole_signed(value));
}

static double shown(int kind, int64_t value)
{
    return kind == MOON_COUNTER_SECONDS ? (double)value / NANOSECONDS : (double)value;
}

double moon_counter_value(struct generation *generation, int kind, uint32_t slot)
{
    return shown(kind, counter_value(&shared_of(generation)->counters, slot));
}

bool moon_counter_next(struct generation *generation, size_t *cursor, struct slice *texts,
                       double *numbers)
{
    struct counter_view view;

    if (!counter_next(&shared_of(generation)->counters, cursor, &view))
        return false;
    texts[0] = view.name;
    texts[1] = view.labels;
    numbers[0] = view.kind;
    numbers[1] = shown((int)view.kind, view.value);
    return true;
}

uint32_t moon_histogram_slot(struct generation *generation, const char *name, size_t name_length,
                             const char *labels, size_t labels_length)
{
    return histogram_slot(&shared_of(generation)->histograms, exports_slice(name, name_length),
                          exports_slice(labels, labels_length));
}

void moon_histogram_observe(struct generation *generation, uint32_t slot, double seconds)
{
    histogram_observe(&shared_of(generation)->histograms, slot, nanoseconds(seconds));
}

bool moon_histogram_next(struct generation *generation, size_t *cursor, struct slice *texts,
                         double *numbers)
{
    const struct histogram_table *table = &shared_of(generation)->histograms;
    struct histogram_view view;
    struct histogram_sum sum;

    if (!histogram_next(table, cursor, &view))
        return false;
    histogram_read(table, view.slot, &sum);
    texts[0] = view.name;
    texts[1] = view.labels;
    numbers[0] = (double)sum.total_ns / NANOSECONDS;
    numbers[1] = (double)sum.count;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        numbers[2 + i] = (double)sum.buckets[i];
    return true;
}

uint32_t moon_histogram_buckets(void)
{
    return HISTOGRAM_BUCKETS;
}

double moon_histogram_bound(uint32_t bucket)
{
    uint64_t bound = histogram_bound_ns(bucket);
    return bound == UINT64_MAX ? INFINITY : (double)bound / NANOSECONDS;
}

static struct dict *dict_of(struct generation *generation)
{
    return &shared_of(generation)->dict;
}

int moon_dict_get(struct generation *generation, const char *key, size_t key_length,
                  struct slice *text, double *number)
{
    struct dict_value value;
    enum dict_outcome outcome =
        dict_get(dict_of(generation), exports_slice(key, key_length), now_ns(generation), &value);

    if (outcome != DICT_DONE)
        return (int)outcome;
    *text = value.kind == DICT_STRING ? value.string : SLICE_NONE;
    *number = (double)value.integer;
    return (int)outcome;
}

static uint64_t expiry(const struct generation *generation, double seconds)
{
    return seconds > 0 ? now_ns(generation) + nanoseconds(seconds) : 0;
}

int moon_dict_set(struct generation *generation, const char *key, size_t key_length,
                  const char *value, size_t value_length, double number, double seconds,
                  bool only_new)
{
    struct dict_value wanted = {.kind = value != NULL ? DICT_STRING : DICT_INTEGER,
                                .string = exports_slice(value, value_length),
                                .integer = whole_signed(number),
                                .expires_ns = expiry(generation, seconds)};
    struct dict *dict = dict_of(generation);
    struct slice name = exports_slice(key, key_length);
    uint64_t now = now_ns(generation);

    return (int)(only_new ? dict_add(dict, name, now, &wanted)
                          : dict_set(dict, name, now, &wanted));
}

int moon_dict_increment(struct generation *generation, const char *key, size_t key_length,
                        double *number, double seconds)
{
    struct dict_value value = {.kind = DICT_INTEGER,
                               .integer = whole_signed(*number),
                               .expires_ns = expiry(generation, seconds)};
    enum dict_outcome outcome = dict_increment(dict_of(generation), exports_slice(key, key_length),
                                               now_ns(generation), &value);
    *number = (double)value.integer;
    return (int)outcome;
}

int moon_dict_delete(struct generation *generation, const char *key, size_t key_length)
{
    return (int)dict_delete(dict_of(generation), exports_slice(key, key_length),
                            now_ns(generation));
}

/* NOLINTEND(readability-function-size) */
