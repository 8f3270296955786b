/*
 * export_values — what plugins have found out with effort, for Lua.
 */
#include "bridge/exports.h"
#include "bridge/flights.h"
#include "bridge/numbers.h"
#include "shm/shared.h"

_Static_assert((int)MOON_VALUE_UNKNOWN == (int)VALUE_UNKNOWN &&
                   (int)MOON_VALUE_TEXT == (int)VALUE_TEXT &&
                   (int)MOON_VALUE_NOTHING == (int)VALUE_NOTHING,
               "Lua's kinds are the values'");
_Static_assert(MOON_FLIGHT_TAKEN == FLIGHT_TAKEN && MOON_FLIGHT_UNSHARED == FLIGHT_UNSHARED,
               "Lua's outcomes are the flights'");

/* As in export_shared.c. */
/* NOLINTBEGIN(readability-function-size) */

int moon_value_get(struct generation *generation, const uint32_t *counters, const char *key,
                   size_t key_length, struct slice *text)
{
    struct shared *shared = shared_of(generation);
    enum value_kind kind =
        values_get(&shared->values, exports_slice(key, key_length), now_ns(generation), text);

    counter_add(&shared->counters,
                counters[kind == VALUE_UNKNOWN ? MOON_VALUE_MISSES : MOON_VALUE_HITS], 1);
    return (int)kind;
}

static struct value value_of(const struct generation *generation, int kind, struct slice text,
                             double seconds)
{
    return (struct value){
        .kind = (enum value_kind)kind,
        .text = text,
        .expires_ns = seconds > 0 ? now_ns(generation) + nanoseconds(seconds) : 0,
    };
}

static struct value_change change_of(const struct generation *generation, const uint32_t *counters,
                                     struct slice key)
{
    return (struct value_change){
        .key = key, .account = counters[MOON_VALUE_EVICTED], .now_ns = now_ns(generation)};
}

bool moon_value_set(struct generation *generation, const uint32_t *counters, const char *key,
                    size_t key_length, int kind, const char *text, size_t text_length,
                    double seconds, bool only_new)
{
    const struct value value =
        value_of(generation, kind, exports_slice(text, text_length), seconds);
    const struct value_change change =
        change_of(generation, counters, exports_slice(key, key_length));

    return values_put(&shared_of(generation)->values, &change, &value, only_new);
}

void moon_value_delete(struct generation *generation, const char *key, size_t key_length)
{
    values_delete(&shared_of(generation)->values, exports_slice(key, key_length));
}

bool moon_value_is_loading(struct generation *generation, const char *key, size_t key_length)
{
    struct values *values = &shared_of(generation)->values;
    struct object_hold hold;
    bool is_loading =
        values_hold_flight(values, exports_slice(key, key_length), now_ns(generation), &hold);

    if (is_loading)
        object_store_release(&values->store, &hold);
    return is_loading;
}

double moon_value_epoch(struct generation *generation)
{
    return (double)values_epoch(&shared_of(generation)->values);
}

double moon_flight_begin(struct generation *generation, const uint32_t *counters, const char *key,
                         size_t key_length, double seconds, bool renews)
{
    const struct value_change change =
        change_of(generation, counters, exports_slice(key, key_length));
    double number = flights_begin(generation->services->flights, &change, renews, seconds);

    if (number == FLIGHT_TAKEN)
        counter_add(&shared_of(generation)->counters, counters[MOON_VALUE_COLLAPSED], 1);
    return number;
}

bool moon_flight_end(struct generation *generation, double flight, int kind, const char *text,
                     size_t text_length, double seconds)
{
    const struct value value =
        value_of(generation, kind, exports_slice(text, text_length), seconds);

    return flights_end(generation->services->flights, flight, &value);
}

/* NOLINTEND(readability-function-size) */
