/*
 * object_variants — a ring of tags, and moving a fill from its key to a variant of it.
 */
#include "shm/object_variants.h"

#include <assert.h>

#include "shm/object_fill.h"
#include "shm/object_lanes.h"
#include "shm/object_lookup.h"
#include "shm/object_metadata.h"
#include "shm/object_publication.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"
#include "shm/object_wait.h"

/* Behind a long key there is room for fewer. */
#define RING_TAGS_MIN      16
#define RING_KEY_BYTES_MAX 1024
_Static_assert(sizeof(struct object_record) + OBJECT_KEY_BYTES_MAX + 8UL * RING_TAGS_MIN <=
                   OBJECT_PAGE_BYTES,
               "the ring does not reach into the key");
_Static_assert(sizeof(struct object_record) + RING_KEY_BYTES_MAX + 8UL * OBJECT_VARIANTS_MAX <=
                   OBJECT_PAGE_BYTES,
               "... nor does the long one");

static uint32_t ring_tags(const struct object_record *record)
{
    return record->key_length > RING_KEY_BYTES_MAX ? RING_TAGS_MIN : OBJECT_VARIANTS_MAX;
}

size_t object_variants_at(const struct object_record *record)
{
    return OBJECT_PAGE_BYTES - ring_tags(record) * sizeof(uint64_t);
}

static uint64_t *ring_of(struct object_record *record)
{
    return (uint64_t *)(void *)((char *)record + object_variants_at(record));
}

/* Takes out what that tag leads to. */
static void take_out(struct object_store *store, uint64_t tag)
{
    struct cell_seen seen;
    struct object_hold hold;

    if (!cell_table_find(&store->cells, tag, &seen) || !object_lookup_hold(store, seen.word, &hold))
        return;
    object_removal_hide(store, &hold);
    object_store_release(store, &hold);
}

void object_variants_add(struct object_store *store, const struct object_hold *marker, uint64_t tag)
{
    struct object_record *record = object_record(store, marker->page);
    uint64_t *ring = ring_of(record);
    uint32_t tags = ring_tags(record);

    for (uint32_t i = 0; i < tags; i++) {
        if (object_load(&ring[i]) == tag)
            return;
    }
    uint32_t at = __atomic_fetch_add(&record->variants, 1, __ATOMIC_SEQ_CST) % tags;
    uint64_t old = __atomic_exchange_n(&ring[at], tag, __ATOMIC_SEQ_CST);
    if (old != 0)
        take_out(store, old);
}

void object_variants_purge(struct object_store *store, const struct object_hold *marker,
                           uint64_t stamp, bool is_soft)
{
    struct object_record *record = object_record(store, marker->page);
    const uint64_t *ring = ring_of(record);

    for (uint32_t i = 0; i < ring_tags(record); i++) {
        struct cell_seen seen;
        struct object_hold hold;
        uint64_t tag = object_load(&ring[i]);
        if (tag == 0 || !cell_table_find(&store->cells, tag, &seen))
            continue;
        if (!is_soft) {
            take_out(store, tag);
        } else if (object_lookup_hold(store, seen.word, &hold)) {
            object_stamps_raise(&object_record(store, hold.page)->soft_stamp, stamp);
            object_store_release(store, &hold);
        }
    }
}

/* ---- object_fill_vary() ---- */

/* The marker of the key of `identity`, held, if it says just that; else false. */
static bool find_marker(struct object_store *store, const struct object_identity *identity,
                        struct slice rules, uint64_t now_ns, struct object_hold *marker)
{
    struct cell_seen seen;
    struct object_metadata metadata;

    if (!cell_table_find(&store->cells, object_key_tag(store, identity->key), &seen) ||
        !object_lookup_hold(store, seen.word, marker))
        return false;
    const struct object_record *record = object_record(store, marker->page);
    if (slice_equals(object_record_key(record), identity->key) &&
        object_lookup_judge(store, marker, now_ns) == OBJECT_VARIES &&
        object_metadata_read(store, marker->page, &metadata) && slice_equals(metadata.text, rules))
        return true;
    object_store_release(store, marker);
    return false;
}

/* Not published yet, and in FILLING, so that nobody frees it. */
static bool make_marker(struct object_store *store, const struct object_identity *of,
                        struct slice rules, uint64_t now_ns, struct object_hold *marker)
{
    struct object_identity identity = *of;

    identity.tag = object_key_tag(store, of->key);
    identity.marker_serial = 0;
    identity.variant = SLICE("");
    if (!object_publication_make(store, &identity, NULL, now_ns, marker))
        return false;
    struct object_record *record = object_record(store, marker->page);
    size_t ring_at = object_variants_at(record);
    const struct object_head head = {.metadata = rules};
    memset((char *)record + ring_at, 0, OBJECT_PAGE_BYTES - ring_at);
    uint64_t word = object_metadata_write(store, marker, &head, ring_at, now_ns);
    if (word == 0 || !object_lane_hold(store, marker->page)) {
        object_metadata_free(store, marker, word);
        object_publication_unmake(store, marker);
        return false;
    }
    record->body_at = OBJECT_PAGE_BYTES;
    record->body_bytes = 0;
    record->flags = OBJECT_FLAG_MARKER;
    object_store_word(&record->metadata, word);
    return true;
}

/* A marker of other rules gives way, and the object that was claimed by key. */
static bool gives_way(struct object_store *store, const struct object_hold *old, const void *data,
                      uint64_t now_ns)
{
    const struct object_fill *fill = data;
    enum object_found found = object_lookup_judge(store, old, now_ns);

    return object_is_same(old, &fill->object) || object_is_same(old, &fill->refresh.object) ||
           found == OBJECT_VARIES || object_lookup_is_nothing(found);
}

/* Complete from here on, and what the key leads to, unless that has changed meanwhile. */
static enum object_filled publish_marker(struct object_store *store,
                                         const struct object_hold *marker,
                                         const struct object_fill *fill, uint64_t now_ns)
{
    uint64_t reference = object_reference(marker->page, marker->generation);
    uint64_t state = object_page_state(store, marker->page);
    uint32_t info = object_page_info(state) | (uint32_t)OBJECT_IS_COMPLETE << OBJECT_INFO_END_SHIFT;

    object_lane_unsettle(store, OBJECT_UNSETTLED_NEW, reference);
    bool is_changed =
        object_page_change(store, marker->page, state,
                           object_page_word(OBJECT_PAGE_COMPLETE, 0, marker->generation, info));
    assert(is_changed);
    enum object_filled filled = object_publication_publish(store, marker, gives_way, fill, now_ns);
    if (filled != OBJECT_DONE)
        object_removal_take_out(store, marker, false);
    object_lane_unsettle(store, OBJECT_UNSETTLED_NEW, 0);
    return filled;
}

/* The object of `fill` anew as a variant of the held marker; its key leads to it at once. */
static enum object_filled become_variant(struct object_store *store, struct object_fill *fill,
                                         const struct object_hold *marker, struct slice variant,
                                         uint64_t now_ns)
{
    const struct object_record *old = object_record(store, fill->object.page);
    const struct object_record *rules = object_record(store, marker->page);
    struct object_identity identity = object_identity_of(old);
    struct object_hold object;

    identity.marker_serial = rules->serial;
    identity.variant = variant;
    identity.tag = object_variant_tag(store, rules->serial, variant);
    if (!object_publication_make(store, &identity, &old->stamp, now_ns, &object))
        return OBJECT_NO_ROOM;
    struct object_record *record = object_record(store, object.page);
    object_stamps_raise(&record->hard_stamp, object_load(&old->hard_stamp));
    object_stamps_raise(&record->soft_stamp, object_load(&old->soft_stamp));
    enum object_filled filled = object_publication_publish(store, &object, gives_way, fill, now_ns);
    if (filled != OBJECT_DONE) {
        object_publication_unmake(store, &object);
        return filled;
    }
    object_variants_add(store, marker, identity.tag);
    object_removal_end(store, &fill->object, OBJECT_IS_MOVED);
    fill->object = object;
    return OBJECT_DONE;
}

static enum object_filled vary(struct object_store *store, struct object_fill *fill,
                               struct slice rules, struct slice variant, uint64_t now_ns)
{
    const struct object_record *record = object_record(store, fill->object.page);
    const struct object_identity identity = object_identity_of(record);
    struct object_hold marker;
    enum object_filled filled = OBJECT_DONE;

    if (!find_marker(store, &identity, rules, now_ns, &marker)) {
        if (!make_marker(store, &identity, rules, now_ns, &marker))
            return OBJECT_NO_ROOM;
        filled = publish_marker(store, &marker, fill, now_ns);
    } else if (record->marker_serial == object_record(store, marker.page)->serial &&
               slice_equals(object_record_variant(record), variant)) {
        object_store_release(store, &marker);
        return OBJECT_DONE;
    }
    if (filled == OBJECT_DONE)
        filled = become_variant(store, fill, &marker, variant, now_ns);
    object_store_release(store, &marker);
    return filled;
}

enum object_filled object_fill_vary(struct object_store *store, struct object_fill *fill,
                                    struct slice rules, struct slice variant, uint64_t now_ns)
{
    size_t key_length = object_record(store, fill->object.page)->key_length;

    assert(fill->object.generation != 0 && !fill->has_head);
    assert(store->page_bytes == OBJECT_PAGE_BYTES); /* for the ring */
    if (rules.length > OBJECT_METADATA_BYTES_MAX ||
        key_length + variant.length > OBJECT_KEY_BYTES_MAX)
        return OBJECT_TOO_LARGE;
    return vary(store, fill, rules, variant, now_ns);
}
