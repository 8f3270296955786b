/*
 * object_repair — what a dead worker leaves in an object store, made whole by the master.
 *
 * The words of the pages tell what it was doing. Pages that it took for an object and did not link
 * are those that no chain of that object reaches; for objects that it was freeing, all are.
 */
#include "base/mem.h"
#include "shm/object_lanes.h"
#include "shm/object_metadata.h"
#include "shm/object_purge.h"
#include "shm/object_removal.h"
#include "shm/object_stamps.h"
#include "shm/object_wait.h"

#define WORD_BITS 64

struct repair {
    struct object_store *store;
    uint32_t lane;
    uint64_t *touched; /* a bit for each page: the first one of an object that it was changing */
    uint64_t *reached; /* ... one that a chain of such an object leads to */
};

static void set(uint64_t *bits, uint32_t page)
{
    bits[page / WORD_BITS] |= 1ULL << page % WORD_BITS;
}

static bool is_set(const uint64_t *bits, uint32_t page)
{
    return (bits[page / WORD_BITS] >> page % WORD_BITS & 1) != 0;
}

static void reach(const struct repair *repair, uint32_t page)
{
    for (uint32_t i = 0; page < repair->store->page_count && i < repair->store->page_count; i++) {
        if (is_set(repair->reached, page))
            return;
        set(repair->reached, page);
        page = object_page_next(repair->store, page);
    }
}

static void touch(const struct repair *repair, uint32_t page)
{
    const struct object_record *record = object_record(repair->store, page);

    set(repair->touched, page);
    reach(repair, page);
    reach(repair, object_metadata_chain(object_load(&record->metadata), page));
}

/* Objects that it was filling or freeing, and those that it was refreshing, which it holds. */
static void find_touched(const struct repair *repair)
{
    struct object_store *store = repair->store;
    const struct object_lane *lane = object_lane(store, repair->lane);

    for (uint32_t page = 0; page < object_pages_end(store); page++) {
        uint64_t state = object_page_state(store, page);
        enum object_page_kind kind = object_page_kind(state);
        if (object_page_lane(state) != repair->lane)
            continue;
        if (kind == OBJECT_PAGE_FILLING)
            touch(repair, page);
        else if (kind == OBJECT_PAGE_FREEING)
            set(repair->touched, page);
    }
    for (uint32_t i = 0; i < object_lane_entries(store, lane); i++) {
        uint64_t hold = object_load(&lane->holds[i]);
        uint32_t page = (uint32_t)(hold >> 32) - 1;
        if (hold != 0 && object_record(store, page)->refresher == repair->lane + 1)
            touch(repair, page);
    }
}

static void free_unreached(const struct repair *repair)
{
    struct object_store *store = repair->store;

    for (uint32_t page = 0; page < object_pages_end(store); page++) {
        uint64_t state = object_page_state(store, page);
        if (object_page_kind(state) != OBJECT_PAGE_BODY || is_set(repair->reached, page))
            continue;
        uint32_t owner = object_page_info(state);
        if (is_set(repair->touched, owner) && object_page_generation(object_page_state(
                                                  store, owner)) == object_page_generation(state))
            object_pages_free(store, page, state);
    }
}

/* Finishes what the state of a page says was begun. */
static void finish(const struct repair *repair, uint32_t page)
{
    struct object_store *store = repair->store;
    uint64_t state = object_page_state(store, page);
    struct object_hold object = {page, object_page_generation(state)};

    switch (object_page_kind(state)) {
    case OBJECT_PAGE_NEW:
        if (object_page_lane(state) == repair->lane)
            object_pages_free(store, page, state);
        break;
    case OBJECT_PAGE_FILLING:
        if (object_page_lane(state) != repair->lane)
            break;
        object_removal_end(store, &object, OBJECT_IS_ABORTED);
        object_lane_count(store, OBJECT_COUNT_REPAIRED, 1);
        break;
    case OBJECT_PAGE_REMOVED:
        if (object_page_lane(state) == repair->lane) {
            object_removal_unpublish(store, &object);
            object_wait_tell(store, object_record(store, page));
        }
        object_removal_reclaim(store, page);
        break;
    case OBJECT_PAGE_FREEING:
        if (object_page_lane(state) != repair->lane)
            break;
        object_removal_unpublish(store, &object);
        object_pages_free(store, page, state);
        break;
    case OBJECT_PAGE_FREE:
        if (!object_pages_is_hinted(store, page))
            object_pages_hint(store, page);
        break;
    case OBJECT_PAGE_BODY:
    case OBJECT_PAGE_COMPLETE:
        break;
    }
}

static void settle(const struct repair *repair)
{
    struct object_store *store = repair->store;
    struct object_lane *lane = object_lane(store, repair->lane);

    for (int i = 0; i < OBJECT_UNSETTLED_MAX; i++) {
        uint64_t reference = object_load(&lane->unsettled[i]);
        struct object_hold object = object_of_reference(reference);
        if (reference == 0)
            continue;
        if (object_page_generation(object_page_state(store, object.page)) == object.generation) {
            object_wait_tell(store, object_record(store, object.page));
            if (!object_removal_is_published(store, &object))
                object_removal_take_out(store, &object, false);
        }
        object_store_word(&lane->unsettled[i], 0);
    }
}

static void end_refresh(const struct repair *repair, uint32_t page)
{
    struct object_record *record = object_record(repair->store, page);
    uint32_t refresher = repair->lane + 1;

    if (__atomic_load_n(&record->refresher, __ATOMIC_SEQ_CST) != refresher)
        return;
    __atomic_fetch_add(&record->refreshes, 1, __ATOMIC_SEQ_CST);
    __atomic_store_n(&record->refresher, 0, __ATOMIC_SEQ_CST);
    object_wait_tell(repair->store, record);
}

static void let_go(const struct repair *repair)
{
    struct object_store *store = repair->store;
    struct object_lane *lane = object_lane(store, repair->lane);

    for (uint32_t i = 0; i < object_lane_entries(store, lane); i++) {
        uint64_t hold = object_load(&lane->holds[i]);
        if (hold == 0)
            continue;
        end_refresh(repair, (uint32_t)(hold >> 32) - 1);
        object_store_word(&lane->holds[i], 0);
    }
}

/* One that it was writing: never put on the list. */
static void forget_prefixes(const struct repair *repair)
{
    for (int i = 0; i < OBJECT_PURGE_PREFIXES_MAX; i++) {
        struct object_prefix *prefix = &repair->store->shared->prefixes[i];
        uint32_t writer = repair->lane + 1;
        if (object_load(&prefix->stamp) == 0)
            __atomic_compare_exchange_n(&prefix->writer, &writer, 0, false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST);
    }
    object_stamps_begin_epoch(repair->store); /* of a purge that it had not finished */
}

void object_store_forget_lane(struct object_store *store, uint32_t lane)
{
    size_t words = store->page_count / WORD_BITS;
    struct object_store dead = *store; /* what is done is done in its lane: so it can begin again */
    struct repair repair = {.store = &dead, .lane = lane};

    if (!object_lane_is_attached(store, lane))
        return;
    dead.lane = lane;
    repair.touched = mem_zeroed_array(words, sizeof(uint64_t));
    repair.reached = mem_zeroed_array(words, sizeof(uint64_t));
    find_touched(&repair);
    free_unreached(&repair);
    settle(&repair);
    let_go(&repair);
    for (uint32_t page = 0; page < object_pages_end(store); page++)
        finish(&repair, page);
    forget_prefixes(&repair);
    object_lane_detach(store, lane);
    free(repair.touched);
    free(repair.reached);
}
