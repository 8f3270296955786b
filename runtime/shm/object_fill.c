/*
 * object_fill — from claim to completion.
 */
#include "shm/object_fill.h"

#include <assert.h>

#include "shm/object_eviction.h"
#include "shm/object_flow.h"
#include "shm/object_lanes.h"
#include "shm/object_lookup.h"
#include "shm/object_metadata.h"
#include "shm/object_publication.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"
#include "shm/object_variants.h"
#include "shm/object_wait.h"

/* A claim takes the place of what nobody has a use for, and of what was passed. */
static bool is_of_no_use(struct object_store *store, const struct object_hold *old,
                         const void *data, uint64_t now_ns)
{
    return object_lookup_is_nothing(object_lookup_judge(store, old, now_ns));
}

static uint32_t route_of(const struct object_store *store, const struct object_claim *claim)
{
    return claim->route.length > 0 ? object_stamps_route(store, claim->route) : OBJECT_STAMP_NONE;
}

/* Before anybody knows of it. */
static void doubt(const struct object_store *store, const struct object_fill *fill,
                  enum object_doubt doubt)
{
    struct object_record *record = object_record(store, fill->object.page);

    if (doubt != OBJECT_NOT_DOUBTED)
        record->flags |= OBJECT_FLAG_DOUBTED;
    if (doubt == OBJECT_DOUBTED_BY_SOME)
        record->flags |= OBJECT_FLAG_OF_SOME;
}

static enum object_filled claim_as(struct object_store *store,
                                   const struct object_identity *identity,
                                   const struct object_claim *claim, struct object_fill *fill)
{
    uint64_t now_ns = claim->now_ns;

    *fill = (struct object_fill){.body_bytes = OBJECT_BYTES_UNKNOWN};
    if (!object_publication_make(store, identity, NULL, now_ns, &fill->object)) {
        *fill = (struct object_fill){0};
        return OBJECT_NO_ROOM;
    }
    doubt(store, fill, claim->doubt);
    enum object_filled filled =
        object_publication_publish(store, &fill->object, is_of_no_use, NULL, now_ns);
    if (filled == OBJECT_DONE) {
        object_lane_count(store, OBJECT_COUNT_CLAIMED, 1);
        return filled;
    }
    object_publication_unmake(store, &fill->object);
    *fill = (struct object_fill){0};
    return filled;
}

static struct object_identity identity_of(const struct object_store *store,
                                          const struct object_key *key,
                                          const struct object_claim *claim)
{
    assert(key->url_at <= key->bytes.length);
    return (struct object_identity){
        .tag = object_key_tag(store, key->bytes),
        .key = key->bytes,
        .url_at = key->url_at,
        .account = claim->account,
        .route = route_of(store, claim),
    };
}

enum object_filled object_fill_claim(struct object_store *store, const struct object_key *key,
                                     const struct object_claim *claim, struct object_fill *fill)
{
    *fill = (struct object_fill){0};
    if (key->bytes.length > store->key_bytes_max)
        return OBJECT_TOO_LARGE;
    const struct object_identity identity = identity_of(store, key, claim);
    return claim_as(store, &identity, claim, fill);
}

enum object_filled object_fill_make(struct object_store *store, const struct object_key *key,
                                    const struct object_claim *claim, struct object_fill *fill)
{
    *fill = (struct object_fill){0};
    if (key->bytes.length > store->key_bytes_max)
        return OBJECT_TOO_LARGE;
    const struct object_identity identity = identity_of(store, key, claim);
    struct object_fill made = {.body_bytes = OBJECT_BYTES_UNKNOWN, .is_apart = true};
    if (!object_publication_make(store, &identity, NULL, claim->now_ns, &made.object))
        return OBJECT_NO_ROOM;
    *fill = made;
    object_lane_count(store, OBJECT_COUNT_CLAIMED, 1);
    return OBJECT_DONE;
}

enum object_filled object_fill_claim_variant(struct object_store *store,
                                             const struct object_hold *marker, struct slice variant,
                                             const struct object_claim *claim,
                                             struct object_fill *fill)
{
    const struct object_record *rules = object_record(store, marker->page);
    struct object_identity identity = object_identity_of(rules);

    *fill = (struct object_fill){0};
    if (identity.key.length + variant.length > OBJECT_KEY_BYTES_MAX)
        return OBJECT_TOO_LARGE;
    identity.tag = object_variant_tag(store, rules->serial, variant);
    identity.marker_serial = rules->serial;
    identity.variant = variant;
    identity.account = claim->account;
    identity.route = route_of(store, claim);
    enum object_filled filled = claim_as(store, &identity, claim, fill);
    if (filled == OBJECT_DONE)
        object_variants_add(store, marker, identity.tag);
    return filled;
}

/* What a refresh replaces, unless it was replaced before. */
static bool is_the_old_one(struct object_store *store, const struct object_hold *old,
                           const void *data, uint64_t now_ns)
{
    const struct object_fill *fill = data;
    return object_is_same(old, &fill->refresh.object) || is_of_no_use(store, old, NULL, now_ns);
}

static bool is_anything(struct object_store *store, const struct object_hold *old, const void *data,
                        uint64_t now_ns)
{
    return true;
}

enum object_filled object_fill_take_place(struct object_store *store, struct object_fill *fill,
                                          uint64_t now_ns)
{
    bool is_refresh = fill->refresh.object.generation != 0;

    assert(fill->has_head);
    enum object_filled filled = object_publication_publish(
        store, &fill->object, is_refresh ? is_the_old_one : is_anything, fill, now_ns);
    object_fill_refresh_give_up(store, &fill->refresh);
    return filled;
}

void object_fill_alone(struct object_store *store, struct object_fill *fill)
{
    assert(fill->object.generation != 0 && !fill->has_head);
    __atomic_fetch_or(&object_record(store, fill->object.page)->flags, OBJECT_FLAG_LONE,
                      __ATOMIC_RELAXED);
}

static bool is_too_large(const struct object_store *store, const struct object_head *head)
{
    return head->metadata.length > OBJECT_METADATA_BYTES_MAX || head->tag_count > OBJECT_TAGS_MAX ||
           (head->body_bytes != OBJECT_BYTES_UNKNOWN && head->body_bytes > store->object_bytes_max);
}

/* The page behind the tail, taken before or now; false when there is no room. */
static bool extend(struct object_store *store, struct object_fill *fill, uint64_t now_ns)
{
    uint64_t state =
        object_page_word(OBJECT_PAGE_BODY, store->lane, fill->object.generation, fill->object.page);
    uint32_t page = object_page_next(store, fill->tail);

    if (page == OBJECT_PAGE_NONE) {
        page = object_eviction_take(store, state, now_ns);
        if (page == OBJECT_PAGE_NONE)
            return false;
        object_page_link(store, fill->tail, page);
    }
    fill->tail = page;
    fill->tail_at = 0;
    return true;
}

/* Pages behind the tail of before, which nobody has read. */
static void take_back(struct object_store *store, struct object_fill *fill, uint32_t tail,
                      uint32_t tail_at)
{
    uint32_t behind = object_page_next(store, tail);

    object_page_link(store, tail, OBJECT_PAGE_NONE);
    object_pages_free_chain(store, behind, fill->object.page, fill->object.generation);
    fill->tail = tail;
    fill->tail_at = tail_at;
}

/* All that a body of known length needs, so that it cannot fail halfway, when others read along. */
static bool reserve(struct object_store *store, struct object_fill *fill, uint64_t now_ns)
{
    uint32_t tail = fill->tail, tail_at = fill->tail_at;
    uint64_t room = store->page_bytes - tail_at;

    if (fill->body_bytes == OBJECT_BYTES_UNKNOWN)
        return object_flow_prepare(store, fill, now_ns);
    for (; room < fill->body_bytes; room += store->page_bytes) {
        if (!extend(store, fill, now_ns)) {
            take_back(store, fill, tail, tail_at);
            return false;
        }
    }
    fill->tail = tail;
    fill->tail_at = tail_at;
    return true;
}

enum object_filled object_fill_head(struct object_store *store, struct object_fill *fill,
                                    const struct object_head *head, uint64_t now_ns)
{
    struct object_record *record = object_record(store, fill->object.page);

    assert(fill->object.generation != 0 && !fill->has_head);
    if (is_too_large(store, head))
        return OBJECT_TOO_LARGE;
    uint64_t word = object_metadata_write(store, &fill->object, head, store->page_bytes, now_ns);
    if (word == 0)
        return OBJECT_NO_ROOM;
    size_t body_at = object_record_text_end(record);
    if (object_metadata_chain(word, fill->object.page) == OBJECT_PAGE_NONE)
        body_at = record->metadata_at + object_metadata_bytes(word);
    fill->body_bytes = head->body_bytes;
    fill->tail = fill->object.page;
    fill->tail_at = (uint32_t)body_at;
    if (!reserve(store, fill, now_ns)) {
        object_metadata_free(store, &fill->object, word);
        return OBJECT_NO_ROOM;
    }
    record->body_at = (uint16_t)body_at;
    object_store_word(&record->useful_until_ns, head->useful_until_ns);
    object_store_word(&record->body_bytes, head->body_bytes);
    object_store_word(&record->metadata, word);
    object_store_word(&record->checked, OBJECT_UNCHECKED);
    fill->has_head = true;
    /* Where another was faster, it is filled for those who know it, and goes when it is complete.
     */
    if (fill->refresh.object.generation != 0 && !fill->is_apart)
        object_fill_take_place(store, fill, now_ns);
    object_wait_tell(store, record);
    return OBJECT_DONE;
}

static bool copy_in(struct object_store *store, struct object_fill *fill, struct slice bytes,
                    uint64_t now_ns)
{
    while (bytes.length > 0) {
        if (fill->tail_at == store->page_bytes && !extend(store, fill, now_ns))
            return false;
        size_t room = store->page_bytes - fill->tail_at;
        size_t piece = bytes.length < room ? bytes.length : room;
        memcpy(object_page_at(store, fill->tail) + fill->tail_at, bytes.start, piece);
        fill->tail_at += (uint32_t)piece;
        bytes = slice_after(bytes, piece);
    }
    return true;
}

enum object_filled object_fill_append(struct object_store *store, struct object_fill *fill,
                                      struct slice bytes, uint64_t now_ns)
{
    struct object_record *record = object_record(store, fill->object.page);
    uint64_t most =
        fill->body_bytes != OBJECT_BYTES_UNKNOWN ? fill->body_bytes : store->object_bytes_max;
    uint32_t tail = fill->tail, tail_at = fill->tail_at;

    assert(fill->has_head && fill->flow == OBJECT_FLOW_NONE);
    if (bytes.length > most - fill->bytes)
        return OBJECT_TOO_LARGE;
    if (!copy_in(store, fill, bytes, now_ns)) {
        take_back(store, fill, tail, tail_at);
        return OBJECT_NO_ROOM;
    }
    fill->bytes += bytes.length;
    object_store_word(&record->bytes, fill->bytes);
    object_wait_tell(store, record);
    return OBJECT_DONE;
}

/* Done with, whatever became of it. */
static void forget(struct object_store *store, struct object_fill *fill)
{
    object_fill_refresh_give_up(store, &fill->refresh);
    object_flow_clear(store, fill);
    *fill = (struct object_fill){0};
}

/* It stays, if its key leads to it. */
static void settle(struct object_store *store, const struct object_fill *fill)
{
    struct object_hold object = fill->object;
    uint64_t reference = object_reference(object.page, object.generation);
    uint64_t state = object_page_state(store, object.page);
    uint32_t info = object_page_info(state) | (uint32_t)OBJECT_IS_COMPLETE << OBJECT_INFO_END_SHIFT;

    object_lane_unsettle(store, OBJECT_UNSETTLED_NEW, reference);
    object_lane_unsettle(store, OBJECT_UNSETTLED_TOLD, reference);
    bool is_changed =
        object_page_change(store, object.page, state,
                           object_page_word(OBJECT_PAGE_COMPLETE, 0, object.generation, info));
    assert(is_changed);
    object_wait_tell(store, object_record(store, object.page));
    object_lane_unsettle(store, OBJECT_UNSETTLED_TOLD, 0);
    if (!object_removal_is_published(store, &object))
        object_removal_take_out(store, &object, false);
    object_lane_unsettle(store, OBJECT_UNSETTLED_NEW, 0);
}

bool object_fill_complete(struct object_store *store, struct object_fill *fill)
{
    struct object_record *record = object_record(store, fill->object.page);

    assert(fill->has_head);
    if (fill->body_bytes != OBJECT_BYTES_UNKNOWN && fill->bytes != fill->body_bytes) {
        object_fill_abort(store, fill);
        return false;
    }
    object_store_word(&record->body_bytes, fill->bytes);
    settle(store, fill);
    object_lane_count(store, OBJECT_COUNT_COMPLETED, 1);
    forget(store, fill);
    return true;
}

void object_fill_abort(struct object_store *store, struct object_fill *fill)
{
    if (fill->object.generation == 0)
        return;
    object_removal_end(store, &fill->object, OBJECT_IS_ABORTED);
    if (fill->flow == OBJECT_FLOW_NONE)
        object_lane_count(store, OBJECT_COUNT_ABORTED, 1);
    forget(store, fill);
}

static void uncache(struct object_store *store, struct object_fill *fill, uint64_t until_ns,
                    uint16_t flags)
{
    struct object_record *record = object_record(store, fill->object.page);

    assert(fill->object.generation != 0);
    if (until_ns == 0 || fill->has_head) {
        object_removal_end(store, &fill->object, OBJECT_IS_UNCACHED);
    } else {
        object_store_word(&record->useful_until_ns, until_ns);
        __atomic_fetch_and(&record->flags, (uint16_t)~OBJECT_FLAG_OF_SOME, __ATOMIC_RELAXED);
        __atomic_fetch_or(&record->flags, flags, __ATOMIC_RELAXED);
        settle(store, fill);
    }
    object_lane_count(store, OBJECT_COUNT_UNCACHED, 1);
    forget(store, fill);
}

void object_fill_uncache(struct object_store *store, struct object_fill *fill, uint64_t until_ns)
{
    uncache(store, fill, until_ns, OBJECT_FLAG_PASSED);
}

void object_fill_uncache_for_some(struct object_store *store, struct object_fill *fill,
                                  uint64_t until_ns)
{
    uncache(store, fill, until_ns, OBJECT_FLAG_PASSED | OBJECT_FLAG_OF_SOME);
}

bool object_fill_hold(struct object_store *store, const struct object_fill *fill,
                      struct object_hold *hold)
{
    *hold = fill->object;
    return object_lane_hold(store, hold->page);
}
