/*
 * object_store — dividing a region, and reading what is held.
 */
#include "shm/object_store.h"

#include <assert.h>

#include "base/mem.h"
#include "shm/bells.h"
#include "shm/object_lanes.h"
#include "shm/object_metadata.h"
#include "shm/object_record.h"

#define LAYOUT           1
#define STAMPS_MIN       1024
#define STAMPS_MAX       65536
#define HOLD_BUCKETS_MIN 16
/* Of two cells for each three pages, since an object is a page at least. */
#define CELLS_OF_PAGES(pages) ((pages) + (pages) / 2)
/* A body may have one in so many pages. */
#define BODY_PART 8

/* How large each part is, and where it begins. */
struct division {
    uint32_t pages, stamps, hold_buckets;
    size_t lane_bytes;
    size_t cells, states, next, heat, taken, full, ghosts, stamp_table, lanes, memory, end;
};

static uint32_t power_of_two(uint32_t number, uint32_t least, uint32_t most)
{
    uint32_t power = least;
    while (power < number && power < most)
        power *= 2;
    return power;
}

/* The next part, of `bytes`, on cache lines of its own. */
static size_t part(size_t *end, size_t bytes, size_t aligned)
{
    size_t start = (*end + aligned - 1) & ~(aligned - 1);
    *end = start + bytes;
    return start;
}

static struct division divide(const struct object_store_shape *shape)
{
    /* A word of bits for 64 pages. */
    uint32_t pages = (uint32_t)(shape->bytes / shape->page_bytes) & ~63U;
    size_t end = sizeof(struct object_store_shared), words = pages / 64;
    struct division division = {
        .pages = pages,
        .stamps = power_of_two(2 * pages, STAMPS_MIN, STAMPS_MAX),
        .hold_buckets =
            power_of_two(pages / OBJECT_BUCKET_HOLDS, HOLD_BUCKETS_MIN, OBJECT_HOLD_BUCKETS_MAX),
    };

    division.lane_bytes = object_lane_bytes(division.hold_buckets);
    division.cells = part(&end, cell_table_bytes(CELLS_OF_PAGES(pages)), 128);
    division.states = part(&end, pages * sizeof(uint64_t), 128);
    division.next = part(&end, pages * sizeof(uint32_t), 128);
    division.heat = part(&end, pages, 128);
    division.taken = part(&end, words * sizeof(uint64_t), 128);
    division.full = part(&end, (words + 63) / 64 * sizeof(uint64_t), 128);
    division.ghosts = part(&end, pages * sizeof(uint64_t), 128);
    division.stamp_table = part(&end, division.stamps * sizeof(struct object_stamp), 128);
    division.lanes = part(&end, shape->lanes * division.lane_bytes, SEGMENT_PAGE_BYTES);
    division.memory = part(&end, (size_t)pages * shape->page_bytes, SEGMENT_PAGE_BYTES);
    division.end = end;
    return division;
}

size_t object_store_bytes(const struct object_store_shape *shape)
{
    struct division division = divide(shape);
    return (division.end + SEGMENT_PAGE_BYTES - 1) & ~(size_t)(SEGMENT_PAGE_BYTES - 1);
}

static uint32_t key_bytes_max(uint32_t page_bytes)
{
    uint32_t room = page_bytes - (uint32_t)sizeof(struct object_record);
    return room < OBJECT_KEY_BYTES_MAX ? room : OBJECT_KEY_BYTES_MAX;
}

static void lay_out(struct object_store *store, char *memory, const struct division *division)
{
    store->shared = (struct object_store_shared *)(void *)memory;
    store->states = (uint64_t *)(void *)(memory + division->states);
    store->next = (uint32_t *)(void *)(memory + division->next);
    store->heat = (uint8_t *)(memory + division->heat);
    store->taken_hints = (uint64_t *)(void *)(memory + division->taken);
    store->full_hints = (uint64_t *)(void *)(memory + division->full);
    store->ghosts = (uint64_t *)(void *)(memory + division->ghosts);
    store->stamps = (struct object_stamp *)(void *)(memory + division->stamp_table);
    store->lanes = memory + division->lanes;
    store->pages = memory + division->memory;
    store->lane_bytes = division->lane_bytes;
    store->page_count = division->pages;
    store->stamp_count = division->stamps;
    store->hold_buckets = division->hold_buckets;
    cell_table_init(&store->cells, memory + division->cells, CELLS_OF_PAGES(division->pages));
}

bool object_store_init(struct object_store *store, struct segment *segment, const char *name,
                       const struct object_store_shape *shape)
{
    assert(shape->bytes >= OBJECT_STORE_BYTES_MIN && shape->bytes <= OBJECT_STORE_BYTES_MAX);
    assert(shape->lanes > 0 && shape->lanes <= OBJECT_STORE_LANES_MAX);
    assert(shape->page_bytes >= OBJECT_PAGE_BYTES_MIN && shape->page_bytes <= OBJECT_PAGE_BYTES);
    struct division division = divide(shape);
    char *memory = segment_allot(segment, name, LAYOUT, object_store_bytes(shape));
    if (memory == NULL)
        return false;
    *store =
        (struct object_store){.hash_key = segment_hash_key(segment), .lane_count = shape->lanes};
    store->page_bytes = shape->page_bytes;
    store->key_bytes_max = key_bytes_max(shape->page_bytes);
    lay_out(store, memory, &division);
    store->object_bytes_max = (uint64_t)division.pages / BODY_PART * shape->page_bytes;
    store->metadata_copy = mem_alloc(OBJECT_METADATA_COPY_BYTES);
    list_init(&store->waits);
    return true;
}

void object_store_clear(struct object_store *store)
{
    bells_destroy(&store->wake_fds, store->lane_count);
    free(store->metadata_copy);
    *store = (struct object_store){0};
}

void object_store_attach(struct object_store *store, uint32_t lane)
{
    assert(lane < store->lane_count);
    store->lane = lane;
    /* Apart from others, but near the beginning: what was never touched costs no memory. */
    store->cursor = lane * 64 % store->page_count;
    list_init(&store->waits);
    object_lane_attach(store, lane);
}

void object_store_on_freed(struct object_store *store, object_store_freed *on_freed, void *data)
{
    store->on_freed = on_freed;
    store->on_freed_data = data;
}

/* A window has a length when there is no more to come. */
static enum object_state state_of_filling(const struct object_record *record)
{
    if ((record->flags & OBJECT_FLAG_WINDOW) != 0 &&
        object_load(&record->body_bytes) != OBJECT_BYTES_UNKNOWN)
        return OBJECT_IS_COMPLETE;
    return __atomic_load_n(&record->variants, __ATOMIC_SEQ_CST) != 0 ? OBJECT_IS_CONTINUED
                                                                     : OBJECT_IS_FILLING;
}

static enum object_doubt doubt_of(unsigned flags)
{
    if ((flags & OBJECT_FLAG_DOUBTED) == 0)
        return OBJECT_NOT_DOUBTED;
    return (flags & OBJECT_FLAG_OF_SOME) != 0 ? OBJECT_DOUBTED_BY_SOME : OBJECT_DOUBTED;
}

static enum object_state state_of(uint64_t state, const struct object_record *record)
{
    enum object_page_kind kind = object_page_kind(state);

    if (kind == OBJECT_PAGE_FILLING)
        return state_of_filling(record);
    if ((record->flags & OBJECT_FLAG_PASSED) != 0)
        return OBJECT_IS_UNCACHED;
    return kind == OBJECT_PAGE_COMPLETE ? OBJECT_IS_COMPLETE : object_page_end(state);
}

/* The state is read first: what it promises of the rest is there by then. */
void object_store_progress(const struct object_store *store, const struct object_hold *hold,
                           struct object_progress *progress)
{
    uint64_t state = object_page_state(store, hold->page);
    const struct object_record *record = object_record(store, hold->page);
    uint64_t stamp = object_load(&record->stamp);
    enum object_state is = state_of(state, record);

    assert(object_page_generation(state) == hold->generation);
    *progress = (struct object_progress){
        .state = is,
        .has_head = object_load(&record->metadata) != 0,
        .doubt = doubt_of(record->flags),
        .is_lone = (record->flags & OBJECT_FLAG_LONE) != 0,
        .is_stale = object_load(&record->soft_stamp) > stamp,
        .is_refreshing = __atomic_load_n(&record->refresher, __ATOMIC_SEQ_CST) != 0,
        .is_removed =
            !object_is_there(state, hold->generation) || object_load(&record->hard_stamp) > stamp,
        .bytes = object_load(&record->bytes),
        .body_bytes = object_load(&record->body_bytes),
        .refreshes = __atomic_load_n(&record->refreshes, __ATOMIC_SEQ_CST),
    };
}

struct slice object_store_metadata(struct object_store *store, const struct object_hold *hold)
{
    struct object_metadata metadata;

    if (!object_metadata_read(store, hold->page, &metadata))
        return slice_of("", 0);
    return metadata.text;
}

struct slice object_store_key(const struct object_store *store, const struct object_hold *hold)
{
    return object_record_key(object_record(store, hold->page));
}

uint32_t object_store_account(const struct object_store *store, const struct object_hold *hold)
{
    return object_record(store, hold->page)->account;
}

void object_store_seek(const struct object_store *store, const struct object_hold *hold,
                       uint64_t offset, struct object_cursor *cursor)
{
    const struct object_record *record = object_record(store, hold->page);
    uint64_t rest = offset + record->body_at;

    assert(offset <= object_load(&record->bytes));
    *cursor = (struct object_cursor){.offset = offset, .page = hold->page};
    while (rest > store->page_bytes) {
        cursor->page = object_page_next(store, cursor->page);
        rest -= store->page_bytes;
    }
    cursor->at = (uint32_t)rest;
}

/* How far the bytes go on in the pages behind, which may lie together by chance. */
static size_t lie_together(const struct object_store *store, struct object_cursor *cursor,
                           size_t wanted)
{
    size_t length = store->page_bytes - cursor->at;

    while (length < wanted && object_page_next(store, cursor->page) == cursor->page + 1) {
        cursor->page++;
        cursor->at = 0;
        length += store->page_bytes;
    }
    return length < wanted ? length : wanted;
}

struct slice object_store_read(const struct object_store *store, const struct object_hold *hold,
                               struct object_cursor *cursor, size_t bytes_max)
{
    uint64_t left = object_load(&object_record(store, hold->page)->bytes) - cursor->offset;
    size_t wanted = left < bytes_max ? (size_t)left : bytes_max;

    if (wanted == 0)
        return slice_of("", 0);
    if (cursor->at == store->page_bytes) {
        cursor->page = object_page_next(store, cursor->page);
        cursor->at = 0;
    }
    const char *start = object_page_at(store, cursor->page) + cursor->at;
    size_t length = lie_together(store, cursor, wanted);
    const char *end = start + length;
    cursor->at = (uint32_t)(end - object_page_at(store, cursor->page));
    cursor->offset += length;
    return slice_of(start, length);
}

uint64_t object_store_count(const struct object_store *store, enum object_count count)
{
    uint64_t sum = 0;

    for (uint32_t lane = 0; lane < store->lane_count; lane++) {
        if (object_lane_is_known(store, lane))
            sum += __atomic_load_n(&object_lane(store, lane)->counts[count], __ATOMIC_RELAXED);
    }
    return sum;
}
