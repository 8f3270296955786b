/*
 * object_removal — from complete or filling to removed to free.
 */
#include "shm/object_removal.h"

#include <assert.h>

#include "shm/object_lanes.h"
#include "shm/object_metadata.h"
#include "shm/object_wait.h"

static bool find_cell(const struct object_store *store, const struct object_hold *object,
                      struct cell_seen *seen)
{
    return cell_table_find(&store->cells, object_record(store, object->page)->tag, seen) &&
           seen->word == object_reference(object->page, object->generation);
}

bool object_removal_is_published(const struct object_store *store, const struct object_hold *object)
{
    struct cell_seen seen;
    return find_cell(store, object, &seen);
}

void object_removal_unpublish(const struct object_store *store, const struct object_hold *object)
{
    struct cell_seen seen;

    while (find_cell(store, object, &seen) && !cell_free(&seen)) {
    }
}

/* Whoever makes it removed goes on; its holders see how it ended. */
static bool make_removed(const struct object_store *store, const struct object_hold *object,
                         enum object_page_kind from, enum object_state end)
{
    uint64_t state, removed;

    do {
        state = object_page_state(store, object->page);
        if (object_page_kind(state) != from || object_page_generation(state) != object->generation)
            return false;
        uint32_t info = object_page_info(state) & (OBJECT_INFO_BIRTH_MASK | OBJECT_INFO_MAIN);
        removed = object_page_word(OBJECT_PAGE_REMOVED, store->lane, object->generation,
                                   info | (uint32_t)end << OBJECT_INFO_END_SHIFT);
    } while (!object_page_change(store, object->page, state, removed));
    return true;
}

bool object_removal_take_out(struct object_store *store, const struct object_hold *object,
                             bool is_evicted)
{
    struct object_record *record = object_record(store, object->page);

    if (!make_removed(store, object, OBJECT_PAGE_COMPLETE, OBJECT_IS_COMPLETE))
        return false;
    if (is_evicted)
        __atomic_fetch_or(&record->flags, OBJECT_FLAG_EVICTED, __ATOMIC_RELAXED);
    object_removal_unpublish(store, object);
    object_wait_tell(store, record);
    object_removal_reclaim(store, object->page);
    return true;
}

/* Who fills it looks whether it is published when it has become complete, which may have been
 * before. */
bool object_removal_hide(struct object_store *store, const struct object_hold *object)
{
    if (object_removal_take_out(store, object, false))
        return true;
    object_lane_unsettle(store, OBJECT_UNSETTLED_HIDDEN,
                         object_reference(object->page, object->generation));
    object_removal_unpublish(store, object);
    bool is_taken_out = object_removal_take_out(store, object, false);
    object_lane_unsettle(store, OBJECT_UNSETTLED_HIDDEN, 0);
    return is_taken_out;
}

void object_removal_end(struct object_store *store, const struct object_hold *object,
                        enum object_state end)
{
    if (!make_removed(store, object, OBJECT_PAGE_FILLING, end))
        return;
    object_removal_unpublish(store, object);
    object_wait_tell(store, object_record(store, object->page));
    object_removal_reclaim(store, object->page);
}

void object_removal_free(struct object_store *store, uint32_t page)
{
    uint64_t state = object_page_state(store, page);
    const struct object_record *record = object_record(store, page);
    struct object_hold object = {page, object_page_generation(state)};
    bool is_evicted = (record->flags & OBJECT_FLAG_EVICTED) != 0;
    uint32_t account = record->account, pages = 1;

    assert(object_page_kind(state) == OBJECT_PAGE_FREEING);
    object_removal_unpublish(store, &object);
    pages += object_metadata_free(store, &object, object_load(&record->metadata));
    pages += object_pages_free_chain(store, object_page_next(store, page), page, object.generation);
    object_pages_free(store, page, state);
    if (is_evicted) {
        object_lane_count(store, OBJECT_COUNT_EVICTED, 1);
        object_lane_count(store, OBJECT_COUNT_EVICTED_PAGES, pages);
    }
    if (store->on_freed != NULL)
        store->on_freed(store->on_freed_data, account, (uint64_t)pages * store->page_bytes,
                        is_evicted);
}

/* Who lets go while it is in FREEING leaves it: so it is looked for holds again after that. */
void object_removal_reclaim(struct object_store *store, uint32_t page)
{
    for (;;) {
        uint64_t state = object_page_state(store, page);
        if (object_page_kind(state) != OBJECT_PAGE_REMOVED || object_lanes_hold(store, page))
            return;
        uint64_t freeing = object_page_word(OBJECT_PAGE_FREEING, store->lane,
                                            object_page_generation(state), object_page_info(state));
        if (!object_page_change(store, page, state, freeing))
            continue;
        if (!object_lanes_hold(store, page)) {
            object_removal_free(store, page);
            return;
        }
        object_page_change(store, page, freeing, state);
    }
}
