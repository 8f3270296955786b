/*
 * object_check — counting what is in an object store, and holding it against what must be true.
 */
#include "base/mem.h"
#include "shm/object_lanes.h"
#include "shm/object_metadata.h"
#include "shm/object_removal.h"
#include "shm/object_variants.h"

static void add_object(const struct object_store *store, uint32_t page, uint64_t state,
                       struct object_usage *usage)
{
    if (object_page_kind(state) == OBJECT_PAGE_FILLING &&
        (object_record(store, page)->flags & OBJECT_FLAG_WINDOW) != 0)
        return;
    usage->objects++;
    usage->filling += object_page_kind(state) == OBJECT_PAGE_FILLING;
    usage->removed += object_page_kind(state) == OBJECT_PAGE_REMOVED;
}

void object_store_usage(const struct object_store *store, struct object_usage *usage)
{
    *usage = (struct object_usage){0};
    uint32_t end = object_pages_end(store);
    usage->pages_free = store->page_count - end;
    for (uint32_t page = 0; page < end; page++) {
        uint64_t state = object_page_state(store, page);
        enum object_page_kind kind = object_page_kind(state);
        if (kind == OBJECT_PAGE_FREE) {
            usage->pages_free++;
            continue;
        }
        if (kind != OBJECT_PAGE_BODY)
            add_object(store, page, state, usage);
        else
            state = object_page_state(store, object_page_info(state));
        usage->promoted_pages += (object_page_info(state) & OBJECT_INFO_MAIN) != 0;
    }
    usage->pages = store->page_count - usage->pages_free;
    usage->bytes = usage->pages * store->page_bytes;
}

/* Pages of an object that its chains lead to, without the first one; the first thing wrong. */
struct walk {
    const struct object_store *store;
    uint32_t object, pages;
    const char *problem;
};

static void walk_chain(struct walk *walk, uint32_t page, size_t pages, bool may_go_on)
{
    const struct object_store *store = walk->store;
    uint64_t owner = object_page_state(store, walk->object);

    for (; page != OBJECT_PAGE_NONE && walk->problem == NULL;
         page = object_page_next(store, page)) {
        if (page >= store->page_count) {
            walk->problem = "a chain leads out of the store";
            return;
        }
        uint64_t state = object_page_state(store, page);
        if (object_page_kind(state) != OBJECT_PAGE_BODY)
            walk->problem = "a chain leads to a page that is no body";
        else if (object_page_info(state) != walk->object ||
                 object_page_generation(state) != object_page_generation(owner))
            walk->problem = "a chain leads to a page of somebody else";
        else if (walk->pages++ > store->page_count)
            walk->problem = "a chain goes round";
        else if (pages > 0)
            pages--;
        else if (!may_go_on)
            walk->problem = "a chain is too long";
    }
    if (walk->problem == NULL && pages > 0)
        walk->problem = "a chain is too short";
}

static size_t pages_for(const struct object_store *store, uint64_t bytes)
{
    return (size_t)((bytes + store->page_bytes - 1) / store->page_bytes);
}

static void check_object(struct walk *walk, uint64_t state)
{
    const struct object_store *store = walk->store;
    const struct object_record *record = object_record(store, walk->object);
    struct object_hold object = {walk->object, object_page_generation(state)};
    uint64_t word = object_load(&record->metadata);
    uint32_t chain = object_metadata_chain(word, walk->object);
    bool has_body = word != 0 || (record->flags & OBJECT_FLAG_WINDOW) != 0;
    uint64_t in_first = has_body ? store->page_bytes - record->body_at : 0;
    bool is_complete = object_page_kind(state) == OBJECT_PAGE_COMPLETE;

    if (chain != OBJECT_PAGE_NONE)
        walk_chain(walk, chain, pages_for(store, object_metadata_bytes(word)), false);
    uint64_t behind = record->bytes > in_first ? record->bytes - in_first : 0;
    /* Who fills has taken room for what will come. */
    if (walk->problem == NULL)
        walk_chain(walk, object_page_next(store, walk->object), pages_for(store, behind),
                   !is_complete);
    if (walk->problem != NULL)
        return;
    if (object_page_kind(state) == OBJECT_PAGE_REMOVED && !object_lanes_hold(store, walk->object))
        walk->problem = "a removed object is held by nobody";
    else if (is_complete && !object_removal_is_published(store, &object))
        walk->problem = "no key leads to a complete object";
    else if (record->refresher != 0 && !object_lane_is_attached(store, record->refresher - 1))
        walk->problem = "an object is refreshed by nobody";
}

static const char *check_first_page(struct walk *walk, uint64_t state)
{
    const struct object_store *store = walk->store;

    switch (object_page_kind(state)) {
    case OBJECT_PAGE_NEW:
    case OBJECT_PAGE_FREEING:
        return "a page is being taken or freed by nobody";
    case OBJECT_PAGE_FILLING:
        if (!object_lane_is_attached(store, object_page_lane(state)))
            return "an object is filled by nobody";
        break;
    case OBJECT_PAGE_FREE:
    case OBJECT_PAGE_BODY:
    case OBJECT_PAGE_COMPLETE:
    case OBJECT_PAGE_REMOVED:
        break;
    }
    check_object(walk, state);
    return walk->problem;
}

/* Bodies belong to objects, whose chains lead to as many of them as there are. */
static const char *check_pages(const struct object_store *store)
{
    uint32_t bodies = 0, chained = 0;

    for (uint32_t page = 0; page < object_pages_end(store); page++) {
        uint64_t state = object_page_state(store, page);
        struct walk walk = {.store = store, .object = page};
        if (state == 0) {
            if (!object_pages_is_hinted(store, page))
                return "a free page will not be found";
        } else if (object_page_kind(state) == OBJECT_PAGE_BODY) {
            bodies++;
        } else {
            const char *problem = check_first_page(&walk, state);
            if (problem != NULL)
                return problem;
        }
        chained += walk.pages;
    }
    return bodies == chained ? NULL : "a page belongs to no chain";
}

static const char *check_cells(const struct object_store *store)
{
    for (uint64_t i = 0; i < store->cells.groups * 8; i++) {
        const struct cell *cell = &store->cells.cells[i];
        struct object_hold object = object_of_reference(cell->word);
        if (cell->tag == 0 || (cell->word & CELL_CANDIDATE) != 0)
            continue;
        if (object.page >= store->page_count)
            return "a key leads out of the store";
        if (!object_is_there(object_page_state(store, object.page), object.generation))
            return "a key leads to an object that is not there";
        if (object_record(store, object.page)->tag != cell->tag)
            return "a key leads to the object of another";
    }
    return NULL;
}

/* Of those that have died. */
static const char *check_lanes(const struct object_store *store)
{
    for (uint32_t number = 0; number < store->lane_count; number++) {
        if (!object_lane_is_known(store, number) || object_lane_is_attached(store, number))
            continue;
        const struct object_lane *lane = object_lane(store, number);
        for (uint32_t i = 0; i < store->hold_buckets * OBJECT_BUCKET_HOLDS; i++) {
            if (lane->holds[i] != 0)
                return "a dead lane holds an object";
        }
    }
    return NULL;
}

const char *object_store_check(const struct object_store *store)
{
    const char *problem = check_lanes(store);

    if (problem == NULL)
        problem = check_cells(store);
    return problem != NULL ? problem : check_pages(store);
}
