/*
 * export_store — reading the store for Lua.
 */
#include <assert.h>

#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "store/store.h"

_Static_assert((int)MOON_STORE_DONE == (int)STORE_DONE &&
                   (int)MOON_STORE_MISSING == (int)STORE_MISSING &&
                   (int)MOON_STORE_FAILED == (int)STORE_FAILED,
               "Lua's outcomes are the store's");
_Static_assert((int)MOON_STORE_CHECK == (int)STORE_CHECK &&
                   (int)MOON_STORE_IF_EQUAL == (int)STORE_IF_EQUAL,
               "Lua's changes and conditions are the store's");

bool moon_store_is_open(struct generation *generation)
{
    return generation->store != NULL;
}

int moon_store_get(struct generation *generation, const char *key, size_t length,
                   struct slice *value)
{
    struct store_record record;

    assert(generation->store != NULL);
    enum store_outcome outcome = store_get(generation->store, exports_slice(key, length), &record);
    if (outcome == STORE_DONE)
        *value = record.value;
    return (int)outcome;
}

int moon_store_next(struct generation *generation, struct slice *prefix_and_after,
                    struct slice *pair)
{
    struct store_record record;

    assert(generation->store != NULL);
    enum store_outcome outcome =
        store_next(generation->store, prefix_and_after[0], prefix_and_after[1], &record);
    if (outcome == STORE_DONE) {
        pair[0] = record.key;
        pair[1] = record.value;
    }
    return (int)outcome;
}

double moon_store_serial(struct generation *generation)
{
    assert(generation->store != NULL);
    return (double)store_serial(generation->store);
}

int moon_store_next_change(struct generation *generation, double *serial, struct slice *key)
{
    uint64_t at = (uint64_t)*serial;
    struct store_record record;

    assert(generation->store != NULL);
    enum store_outcome outcome = store_next_change(generation->store, &at, &record);
    *serial = (double)at;
    if (outcome == STORE_DONE)
        *key = record.key;
    return (int)outcome;
}
