/*
 * object_purge — stamps that are raised, and a list of prefixes.
 */
#include "shm/object_purge.h"

#include <assert.h>

#include "shm/object_lanes.h"
#include "shm/object_lookup.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"
#include "shm/object_variants.h"

/* Between the two, a finder may note what it saw of before; then it looks again. */
static void purge(const struct object_store *store, uint64_t *hard, uint64_t *soft,
                  enum object_purge_kind kind)
{
    uint64_t stamp = object_stamps_next(store);

    object_stamps_raise(kind == OBJECT_PURGE_SOFT ? soft : hard, stamp);
    object_stamps_begin_epoch(store);
}

void object_purge_tag(struct object_store *store, struct slice tag, enum object_purge_kind kind)
{
    struct object_stamp *stamp = &store->stamps[object_stamps_tag(store, tag)];
    purge(store, &stamp->hard, &stamp->soft, kind);
}

void object_purge_route(struct object_store *store, struct slice route, enum object_purge_kind kind)
{
    struct object_stamp *stamp = &store->stamps[object_stamps_route(store, route)];
    purge(store, &stamp->hard, &stamp->soft, kind);
}

void object_purge_all(struct object_store *store, enum object_purge_kind kind)
{
    purge(store, &store->shared->all_hard, &store->shared->all_soft, kind);
}

static void purge_held(struct object_store *store, const struct object_hold *hold,
                       enum object_purge_kind kind)
{
    struct object_record *record = object_record(store, hold->page);
    bool is_marker = (record->flags & OBJECT_FLAG_MARKER) != 0;
    uint64_t stamp = object_stamps_next(store);

    object_stamps_raise(kind == OBJECT_PURGE_SOFT ? &record->soft_stamp : &record->hard_stamp,
                        stamp);
    if (is_marker)
        object_variants_purge(store, hold, stamp, kind == OBJECT_PURGE_SOFT);
    if (kind == OBJECT_PURGE_SOFT) {
        object_stamps_begin_epoch(store);
        return;
    }
    if (object_removal_hide(store, hold))
        object_lane_count(store, OBJECT_COUNT_PURGED, 1);
}

bool object_purge_key(struct object_store *store, const struct object_key *key,
                      enum object_purge_kind kind)
{
    struct object_hold hold;
    struct cell_seen seen;

    if (!cell_table_find(&store->cells, object_key_tag(store, key->bytes), &seen) ||
        !object_lookup_hold(store, seen.word, &hold))
        return false;
    bool is_it = slice_equals(object_record_key(object_record(store, hold.page)), key->bytes);
    if (is_it)
        purge_held(store, &hold, kind);
    object_store_release(store, &hold);
    return is_it;
}

/* ---- prefixes ---- */

static bool is_writing(const struct object_store *store, struct object_prefix *prefix)
{
    uint32_t nobody = 0;
    return object_load(&prefix->stamp) == 0 &&
           __atomic_compare_exchange_n(&prefix->writer, &nobody, store->lane + 1, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

bool object_purge_prefix(struct object_store *store, struct slice text, enum object_purge_kind kind)
{
    if (text.length > OBJECT_PURGE_PREFIX_BYTES_MAX)
        return false;
    for (int i = 0; i < OBJECT_PURGE_PREFIXES_MAX; i++) {
        struct object_prefix *prefix = &store->shared->prefixes[i];
        if (!is_writing(store, prefix))
            continue;
        if (text.length > 0)
            memcpy(prefix->text, text.start, text.length);
        prefix->length = (uint16_t)text.length;
        prefix->kind = (uint16_t)kind;
        object_store_word(&prefix->stamp, object_stamps_next(store));
        object_stamps_begin_epoch(store);
        return true;
    }
    return false;
}

/* The stamp goes first: a prefix without one counts for nobody, and its writer may write again. */
static void take_off(struct object_store *store, uint64_t last_stamp)
{
    for (int i = 0; i < OBJECT_PURGE_PREFIXES_MAX; i++) {
        struct object_prefix *prefix = &store->shared->prefixes[i];
        uint64_t stamp = object_load(&prefix->stamp);
        if (stamp != 0 && stamp <= last_stamp &&
            __atomic_compare_exchange_n(&prefix->stamp, &stamp, 0, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST))
            __atomic_store_n(&prefix->writer, 0, __ATOMIC_SEQ_CST);
    }
}

static bool purge_page(struct object_store *store, uint32_t page)
{
    struct object_hold hold = {.page = page};
    uint64_t state = object_page_state(store, page);

    hold.generation = object_page_generation(state);
    if (!object_is_there(state, hold.generation) || !object_lane_hold(store, page))
        return false;
    bool is_taken_out = false;
    if (object_is_there(object_page_state(store, page), hold.generation) &&
        object_stamps_is_purged(store, page))
        is_taken_out = object_removal_hide(store, &hold);
    object_store_release(store, &hold);
    return is_taken_out;
}

bool object_purge_continue(struct object_store *store, struct object_purge_scan *scan,
                           uint32_t pages)
{
    if (!scan->has_begun)
        *scan = (struct object_purge_scan){.has_begun = true,
                                           .stamp = object_load(&store->shared->stamp)};
    uint32_t end = object_pages_end(store);
    for (; pages > 0 && scan->page < end; pages--, scan->page++) {
        if (purge_page(store, scan->page)) {
            scan->purged++;
            object_lane_count(store, OBJECT_COUNT_PURGED, 1);
        }
    }
    if (scan->page < end)
        return true;
    take_off(store, scan->stamp);
    return false;
}
