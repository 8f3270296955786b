/*
 * object_lookup — a cell, the state of a page, its first bytes.
 */
#include "shm/object_lookup.h"

#include "shm/object_eviction.h"
#include "shm/object_lanes.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"

/* Keys that are replaced again and again while they are looked up. */
#define ATTEMPTS_MAX 8

bool object_lookup_hold(struct object_store *store, uint64_t reference, struct object_hold *hold)
{
    *hold = object_of_reference(reference);
    if (!object_lane_hold(store, hold->page)) {
        object_lane_count(store, OBJECT_COUNT_REFUSED, 1);
        return false;
    }
    if (object_is_there(object_page_state(store, hold->page), hold->generation))
        return true;
    object_store_release(store, hold);
    return false;
}

void object_store_release(struct object_store *store, const struct object_hold *hold)
{
    if (object_lane_let_go(store, hold->page) &&
        object_page_kind(object_page_state(store, hold->page)) == OBJECT_PAGE_REMOVED)
        object_removal_reclaim(store, hold->page);
}

bool object_store_hold_again(struct object_store *store, const struct object_hold *hold)
{
    return object_lane_hold(store, hold->page);
}

static enum object_found purged(struct object_store *store, const struct object_hold *hold)
{
    if (object_removal_hide(store, hold))
        object_lane_count(store, OBJECT_COUNT_PURGED, 1);
    return OBJECT_MISSING;
}

enum object_found object_lookup_judge(struct object_store *store, const struct object_hold *hold,
                                      uint64_t now_ns)
{
    const struct object_record *record = object_record(store, hold->page);
    uint64_t until = object_load(&record->useful_until_ns);

    if (object_stamps_is_purged(store, hold->page))
        return purged(store, hold);
    if (until != 0 && until <= now_ns)
        return OBJECT_MISSING;
    if ((record->flags & OBJECT_FLAG_PASSED) != 0)
        return (record->flags & OBJECT_FLAG_OF_SOME) != 0 ? OBJECT_PASSED_BY_SOME : OBJECT_PASSED;
    if ((record->flags & OBJECT_FLAG_MARKER) != 0)
        return OBJECT_VARIES;
    return object_page_kind(object_page_state(store, hold->page)) == OBJECT_PAGE_FILLING
               ? OBJECT_FILLING
               : OBJECT_COMPLETE;
}

static void count(const struct object_store *store, enum object_found found)
{
    static const enum object_count COUNTS[] = {
        [OBJECT_MISSING] = OBJECT_COUNT_MISSED, [OBJECT_COMPLETE] = OBJECT_COUNT_FOUND,
        [OBJECT_FILLING] = OBJECT_COUNT_FOUND,  [OBJECT_VARIES] = OBJECT_COUNTS,
        [OBJECT_PASSED] = OBJECT_COUNT_PASSED,  [OBJECT_PASSED_BY_SOME] = OBJECT_COUNT_PASSED,
    };
    if (COUNTS[found] != OBJECT_COUNTS)
        object_lane_count(store, COUNTS[found], 1);
}

/* What is looked for, to tell it from what has the same tag by chance. */
struct wanted {
    uint64_t tag, marker_serial; /* 0: by key */
    struct slice text;           /* the key, or the variant */
    uint64_t now_ns;
};

static bool is_wanted(const struct object_record *record, const struct wanted *wanted)
{
    if (record->marker_serial != wanted->marker_serial)
        return false;
    struct slice text =
        wanted->marker_serial != 0 ? object_record_variant(record) : object_record_key(record);
    return slice_equals(text, wanted->text);
}

static enum object_found look(struct object_store *store, const struct wanted *wanted,
                              struct object_hold *hold)
{
    struct cell_seen seen;

    for (int i = 0; i < ATTEMPTS_MAX && cell_table_find(&store->cells, wanted->tag, &seen); i++) {
        if (!object_lookup_hold(store, seen.word, hold)) {
            if (cell_holds(&seen))
                break;
            continue;
        }
        enum object_found found = OBJECT_MISSING;
        if (is_wanted(object_record(store, hold->page), wanted))
            found = object_lookup_judge(store, hold, wanted->now_ns);
        if (found != OBJECT_MISSING)
            object_eviction_heat(store, hold->page);
        if (object_lookup_is_nothing(found))
            object_store_release(store, hold);
        return found;
    }
    return OBJECT_MISSING;
}

enum object_found object_store_find(struct object_store *store, const struct object_key *key,
                                    uint64_t now_ns, struct object_hold *hold)
{
    const struct wanted wanted = {
        .tag = object_key_tag(store, key->bytes), .text = key->bytes, .now_ns = now_ns};
    enum object_found found = look(store, &wanted, hold);

    count(store, found);
    return found;
}

enum object_found object_store_find_variant(struct object_store *store,
                                            const struct object_hold *marker, struct slice variant,
                                            uint64_t now_ns, struct object_hold *hold)
{
    const struct object_record *rules = object_record(store, marker->page);
    const struct wanted wanted = {.tag = object_variant_tag(store, rules->serial, variant),
                                  .marker_serial = rules->serial,
                                  .text = variant,
                                  .now_ns = now_ns};
    enum object_found found = look(store, &wanted, hold);

    if (found == OBJECT_COMPLETE || found == OBJECT_FILLING)
        object_stamps_raise(&object_record(store, hold->page)->soft_stamp,
                            object_load(&rules->soft_stamp));
    count(store, found);
    return found;
}
