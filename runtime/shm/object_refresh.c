/*
 * object_refresh — one process at a time validates a stored object.
 */
#include <assert.h>

#include "shm/object_fill.h"
#include "shm/object_lanes.h"
#include "shm/object_metadata.h"
#include "shm/object_publication.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"
#include "shm/object_wait.h"

bool object_fill_refresh(struct object_store *store, const struct object_hold *hold,
                         struct object_refresh *refresh)
{
    struct object_record *record = object_record(store, hold->page);
    uint64_t stamp = object_load(&store->shared->stamp);
    uint32_t nobody = 0;

    *refresh = (struct object_refresh){0};
    if (object_page_kind(object_page_state(store, hold->page)) != OBJECT_PAGE_COMPLETE ||
        !object_lane_hold(store, hold->page))
        return false;
    if (!__atomic_compare_exchange_n(&record->refresher, &nobody, store->lane + 1, false,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        object_store_release(store, hold);
        return false;
    }
    *refresh = (struct object_refresh){.object = *hold, .stamp = stamp};
    return true;
}

/* Waiters are told, and look anew: one of them may be next. */
static void end(struct object_store *store, struct object_refresh *refresh)
{
    struct object_record *record = object_record(store, refresh->object.page);
    uint64_t reference = object_reference(refresh->object.page, refresh->object.generation);

    object_lane_unsettle(store, OBJECT_UNSETTLED_TOLD, reference);
    __atomic_fetch_add(&record->refreshes, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&record->refresher, 0, __ATOMIC_SEQ_CST);
    object_wait_tell(store, record);
    object_lane_unsettle(store, OBJECT_UNSETTLED_TOLD, 0);
    object_store_release(store, &refresh->object);
    *refresh = (struct object_refresh){0};
}

void object_fill_refresh_give_up(struct object_store *store, struct object_refresh *refresh)
{
    if (refresh->object.generation != 0)
        end(store, refresh);
}

/* The pages of the old head go when nobody can begin to read them; who is reading sees the word. */
static enum object_filled replace_head(struct object_store *store,
                                       const struct object_refresh *refresh,
                                       const struct object_head *head, uint64_t now_ns)
{
    struct object_record *record = object_record(store, refresh->object.page);
    uint64_t before = object_load(&record->metadata);

    if (head->metadata.length > OBJECT_METADATA_BYTES_MAX || head->tag_count > OBJECT_TAGS_MAX)
        return OBJECT_TOO_LARGE;
    uint64_t word = object_metadata_write(store, &refresh->object, head, 0, now_ns);
    if (word == 0)
        return OBJECT_NO_ROOM;
    object_store_word(&record->useful_until_ns, head->useful_until_ns);
    object_store_word(&record->metadata, word);
    object_store_word(&record->stamp, refresh->stamp);
    object_store_word(&record->checked, OBJECT_UNCHECKED);
    object_metadata_free(store, &refresh->object, before);
    return OBJECT_DONE;
}

enum object_filled object_fill_refresh_done(struct object_store *store,
                                            struct object_refresh *refresh,
                                            const struct object_head *head, uint64_t now_ns)
{
    assert(refresh->object.generation != 0);
    enum object_filled filled = replace_head(store, refresh, head, now_ns);
    if (filled == OBJECT_DONE)
        object_lane_count(store, OBJECT_COUNT_REFRESHED, 1);
    end(store, refresh);
    return filled;
}

enum object_filled object_fill_refresh_replace(struct object_store *store,
                                               struct object_refresh *refresh,
                                               const struct object_claim *claim,
                                               struct object_fill *fill)
{
    const struct object_record *old = object_record(store, refresh->object.page);
    struct object_identity identity = object_identity_of(old);

    assert(refresh->object.generation != 0);
    *fill = (struct object_fill){0};
    identity.account = claim->account;
    if (claim->route.length > 0)
        identity.route = object_stamps_route(store, claim->route);
    struct object_fill made = {.body_bytes = OBJECT_BYTES_UNKNOWN};
    if (!object_publication_make(store, &identity, &refresh->stamp, claim->now_ns, &made.object))
        return OBJECT_NO_ROOM;
    struct object_record *record = object_record(store, made.object.page);
    object_stamps_raise(&record->hard_stamp, object_load(&old->hard_stamp));
    object_stamps_raise(&record->soft_stamp, object_load(&old->soft_stamp));
    made.refresh = *refresh;
    *refresh = (struct object_refresh){0};
    *fill = made;
    object_lane_count(store, OBJECT_COUNT_CLAIMED, 1);
    return OBJECT_DONE;
}
