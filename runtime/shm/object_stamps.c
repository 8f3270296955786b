/*
 * object_stamps — the highest stamps that apply to an object.
 */
#include "shm/object_stamps.h"

#include "shm/object_metadata.h"

#define KIND_TAG   SLICE("tag")
#define KIND_ROUTE SLICE("route")

struct stamps {
    uint64_t hard, soft;
};

static uint32_t place_of(const struct object_store *store, struct slice kind, struct slice name)
{
    return (uint32_t)hash_pair(store->hash_key, kind, name) & (store->stamp_count - 1);
}

uint32_t object_stamps_tag(const struct object_store *store, struct slice tag)
{
    return place_of(store, KIND_TAG, tag);
}

uint32_t object_stamps_route(const struct object_store *store, struct slice route)
{
    return place_of(store, KIND_ROUTE, route);
}

uint64_t object_stamps_next(const struct object_store *store)
{
    return __atomic_add_fetch(&store->shared->stamp, 1, __ATOMIC_SEQ_CST);
}

void object_stamps_raise(uint64_t *word, uint64_t stamp)
{
    uint64_t seen = object_load(word);

    while (seen < stamp && !__atomic_compare_exchange_n(word, &seen, stamp, false, __ATOMIC_SEQ_CST,
                                                        __ATOMIC_SEQ_CST)) {
    }
}

void object_stamps_begin_epoch(const struct object_store *store)
{
    __atomic_fetch_add(&store->shared->epoch, 1, __ATOMIC_SEQ_CST);
}

static void add(struct stamps *stamps, uint64_t hard, uint64_t soft)
{
    stamps->hard = hard > stamps->hard ? hard : stamps->hard;
    stamps->soft = soft > stamps->soft ? soft : stamps->soft;
}

static void add_place(const struct object_store *store, uint32_t place, struct stamps *stamps)
{
    if (place < store->stamp_count)
        add(stamps, object_load(&store->stamps[place].hard),
            object_load(&store->stamps[place].soft));
}

static void add_prefixes(const struct object_store *store, const struct object_record *record,
                         struct stamps *stamps)
{
    struct slice key = object_record_key(record);
    struct slice url = slice_after(key, record->url_at);

    for (int i = 0; i < OBJECT_PURGE_PREFIXES_MAX; i++) {
        const struct object_prefix *prefix = &store->shared->prefixes[i];
        uint64_t stamp = object_load(&prefix->stamp);
        if (stamp == 0 || !slice_starts_with(url, slice_of(prefix->text, prefix->length)))
            continue;
        bool is_soft = prefix->kind == OBJECT_PURGE_SOFT;
        /* Taken off the list meanwhile, it may have been another one's text. */
        if (object_load(&prefix->stamp) == stamp)
            add(stamps, is_soft ? 0 : stamp, is_soft ? stamp : 0);
    }
}

bool object_stamps_is_purged(const struct object_store *store, uint32_t page)
{
    struct object_record *record = object_record(store, page);
    uint64_t epoch = object_load(&store->shared->epoch);
    struct object_metadata metadata;
    struct stamps stamps = {0};

    if (object_load(&record->checked) == epoch)
        return object_load(&record->hard_stamp) > object_load(&record->stamp);
    add(&stamps, object_load(&store->shared->all_hard), object_load(&store->shared->all_soft));
    add_place(store, record->route, &stamps);
    add_prefixes(store, record, &stamps);
    uint64_t word = object_load(&record->metadata);
    bool has_head = object_metadata_read(store, page, &metadata);
    for (size_t i = 0; has_head && i < metadata.tag_count; i++)
        add_place(store, metadata.tags[i], &stamps);
    if (stamps.hard > 0)
        object_stamps_raise(&record->hard_stamp, stamps.hard);
    if (stamps.soft > 0)
        object_stamps_raise(&record->soft_stamp, stamps.soft);
    if (has_head) /* its tags come with it */
        object_store_word(&record->checked, epoch);
    if (object_load(&record->metadata) != word) /* and others may have come */
        object_store_word(&record->checked, OBJECT_UNCHECKED);
    return object_load(&record->hard_stamp) > object_load(&record->stamp);
}
