/*
 * object_publication — a first page is written, then a cell is swapped.
 */
#include "shm/object_publication.h"

#include <assert.h>

#include "shm/object_eviction.h"
#include "shm/object_lanes.h"
#include "shm/object_lookup.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"

struct object_identity object_identity_of(const struct object_record *record)
{
    return (struct object_identity){
        .tag = record->tag,
        .marker_serial = record->marker_serial,
        .key = object_record_key(record),
        .variant = object_record_variant(record),
        .url_at = record->url_at,
        .account = record->account,
        .route = record->route,
    };
}

static void write_record(struct object_record *record, const struct object_identity *identity,
                         uint64_t serial)
{
    *record = (struct object_record){
        .tag = identity->tag,
        .body_bytes = OBJECT_BYTES_UNKNOWN,
        .checked = OBJECT_UNCHECKED,
        .serial = serial,
        .marker_serial = identity->marker_serial,
        .account = identity->account,
        .route = identity->route,
        .key_length = (uint16_t)identity->key.length,
        .url_at = (uint16_t)identity->url_at,
        .variant_length = (uint16_t)identity->variant.length,
    };
    if (identity->key.length > 0)
        memcpy(record->text, identity->key.start, identity->key.length);
    if (identity->variant.length > 0)
        memcpy(record->text + identity->key.length, identity->variant.start,
               identity->variant.length);
}

bool object_publication_make(struct object_store *store, const struct object_identity *identity,
                             const uint64_t *stamp, uint64_t now_ns, struct object_hold *object)
{
    uint64_t serial = __atomic_add_fetch(&store->shared->serial, 1, __ATOMIC_SEQ_CST);
    uint32_t generation = (uint32_t)(serial % OBJECT_PAGE_GENERATION_MASK) + 1;
    uint32_t info = object_eviction_info(store, identity->tag);
    uint64_t state = object_page_word(OBJECT_PAGE_NEW, store->lane, generation, info);

    object->page = object_eviction_take(store, state, now_ns);
    object->generation = generation;
    if (object->page == OBJECT_PAGE_NONE)
        return false;
    struct object_record *record = object_record(store, object->page);
    write_record(record, identity, serial);
    __atomic_store_n(&store->heat[object->page], 0, __ATOMIC_RELAXED);
    bool is_changed =
        object_page_change(store, object->page, state,
                           object_page_word(OBJECT_PAGE_FILLING, store->lane, generation, info));
    assert(is_changed);
    /* Read when whoever looks through all objects sees this one. */
    object_store_word(&record->stamp, stamp != NULL ? *stamp : object_load(&store->shared->stamp));
    return true;
}

void object_publication_unmake(struct object_store *store, const struct object_hold *object)
{
    object_removal_end(store, object, OBJECT_IS_ABORTED);
}

/* For cell_table_claim(): what leads nowhere. */
static bool is_dead(uint64_t word, const void *data)
{
    const struct object_store *store = data;
    struct object_hold object = object_of_reference(word);
    return !object_is_there(object_page_state(store, object.page), object.generation);
}

/* Who wants the place of what is there, and what gives way to it. */
struct applicant {
    const struct object_identity *identity;
    object_may_replace *may_replace;
    const void *data;
    uint64_t now_ns;
};

/* Whether what the cell leads to must stay. */
static bool must_stay(struct object_store *store, uint64_t reference,
                      const struct applicant *applicant)
{
    const struct object_identity *identity = applicant->identity;
    struct object_hold old;

    if (!object_lookup_hold(store, reference, &old))
        return false;
    const struct object_record *record = object_record(store, old.page);
    bool is_same = record->marker_serial == identity->marker_serial &&
                   slice_equals(object_record_key(record), identity->key) &&
                   slice_equals(object_record_variant(record), identity->variant);
    bool must = is_same && !applicant->may_replace(store, &old, applicant->data, applicant->now_ns);
    object_store_release(store, &old);
    return must;
}

/* Takes out what the key led to before. Who fills it finds out when it is complete. */
static void take_out_old(struct object_store *store, uint64_t reference)
{
    struct object_hold old = object_of_reference(reference);

    if (object_removal_take_out(store, &old, false))
        object_lane_count(store, OBJECT_COUNT_REPLACED, 1);
    object_lane_unsettle(store, OBJECT_UNSETTLED_OLD, 0);
}

enum object_filled object_publication_publish(struct object_store *store,
                                              const struct object_hold *object,
                                              object_may_replace *may_replace, const void *data,
                                              uint64_t now_ns)
{
    const struct object_record *record = object_record(store, object->page);
    const struct object_identity identity = object_identity_of(record);
    const struct applicant applicant = {&identity, may_replace, data, now_ns};

    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        struct cell_seen seen;
        if (!cell_table_claim(&store->cells, identity.tag, is_dead, store, &seen))
            break;
        uint64_t old = cell_is_candidate(&seen) ? 0 : seen.word;
        if (old != 0 && must_stay(store, old, &applicant))
            return OBJECT_TAKEN;
        object_lane_unsettle(store, OBJECT_UNSETTLED_OLD, old);
        if (cell_swap(&seen, object_reference(object->page, object->generation))) {
            if (old != 0)
                take_out_old(store, old);
            return OBJECT_DONE;
        }
    }
    object_lane_unsettle(store, OBJECT_UNSETTLED_OLD, 0);
    object_lane_count(store, OBJECT_COUNT_REFUSED, 1);
    return OBJECT_NO_ROOM;
}
