/*
 * object_flow — two windows that lead to each other.
 */
#include "shm/object_flow.h"

#include <assert.h>

#include "shm/object_eviction.h"
#include "shm/object_lanes.h"
#include "shm/object_publication.h"
#include "shm/object_removal.h"
#include "shm/object_wait.h"

/* Of a window, where there is room. */
#define WINDOW_PAGES_MAX 32

static bool is_held(const struct object_store *store, const struct object_hold *object)
{
    return object_lanes_hold(store, object->page);
}

static bool make_window(struct object_store *store, const struct object_fill *fill, uint32_t number,
                        uint64_t now_ns, struct object_hold *window)
{
    const struct object_record *object = object_record(store, fill->object.page);
    char name = (char)number;
    const struct object_identity identity = {
        .tag = object_variant_tag(store, object->serial, slice_of(&name, 1)),
        .marker_serial = object->serial,
        .account = object->account,
        .route = OBJECT_STAMP_NONE,
    };

    if (!object_publication_make(store, &identity, NULL, now_ns, window))
        return false;
    struct object_record *record = object_record(store, window->page);
    record->flags = OBJECT_FLAG_WINDOW;
    record->body_at = sizeof(*record);
    return true;
}

bool object_flow_prepare(struct object_store *store, struct object_fill *fill, uint64_t now_ns)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (!make_window(store, fill, i, now_ns, &fill->windows[i])) {
            fill->windows[i].generation = 0;
            object_flow_clear(store, fill);
            return false;
        }
    }
    return true;
}

void object_flow_clear(struct object_store *store, struct object_fill *fill)
{
    for (int i = 0; i < 2; i++) {
        if (fill->windows[i].generation != 0)
            object_removal_end(store, &fill->windows[i], OBJECT_IS_ABORTED);
        fill->windows[i].generation = 0;
    }
}

/* Which nobody reads: as if it were new, with as many pages as there is room for. */
static void empty_window(struct object_store *store, struct object_fill *fill, uint64_t now_ns)
{
    const struct object_hold *window = &fill->windows[fill->window];
    struct object_record *record = object_record(store, window->page);
    uint64_t state =
        object_page_word(OBJECT_PAGE_BODY, store->lane, window->generation, window->page);
    uint32_t last = window->page, pages = 1;

    object_store_word(&record->bytes, 0);
    __atomic_store_n(&record->variants, 0, __ATOMIC_SEQ_CST);
    for (uint32_t page = object_page_next(store, last); page != OBJECT_PAGE_NONE;
         page = object_page_next(store, page)) {
        last = page;
        pages++;
    }
    for (; pages < WINDOW_PAGES_MAX; pages++) {
        uint32_t page = object_eviction_take(store, state, now_ns);
        if (page == OBJECT_PAGE_NONE)
            break;
        object_page_link(store, last, page);
        last = page;
    }
    fill->tail = window->page;
    fill->tail_at = record->body_at;
}

static void lead_on(const struct object_store *store, const struct object_hold *from,
                    const struct object_hold *to)
{
    struct object_record *record = object_record(store, from->page);

    __atomic_store_n(&record->variants, to->page + 1, __ATOMIC_SEQ_CST);
    object_wait_tell(store, record);
}

void object_flow_begin(struct object_store *store, struct object_fill *fill, uint64_t now_ns)
{
    assert(fill->windows[0].generation != 0 && fill->flow == OBJECT_FLOW_NONE);
    object_removal_unpublish(store, &fill->object);
    fill->flow = OBJECT_FLOW_FIRST;
    empty_window(store, fill, now_ns);
    lead_on(store, &fill->object, &fill->windows[0]);
    object_lane_count(store, OBJECT_COUNT_UNCACHED, 1);
}

/* Everybody has read what was stored: its pages are of use to others. */
static bool leave_object(struct object_store *store, struct object_fill *fill)
{
    if (fill->flow == OBJECT_FLOW_ROUND)
        return true;
    if (is_held(store, &fill->object))
        return false;
    object_removal_end(store, &fill->object, OBJECT_IS_UNCACHED);
    fill->flow = OBJECT_FLOW_ROUND;
    return true;
}

/* Whether nobody is, or will be, in the window that is not written. The second one is new first. */
static bool is_next_empty(struct object_store *store, struct object_fill *fill)
{
    bool is_new = fill->flow == OBJECT_FLOW_FIRST;

    if (is_new) {
        fill->flow = OBJECT_FLOW_SECOND;
        return true;
    }
    return leave_object(store, fill) && !is_held(store, &fill->windows[1 - fill->window]);
}

static bool next_window(struct object_store *store, struct object_fill *fill, uint64_t now_ns)
{
    if (!is_next_empty(store, fill))
        return false;
    const struct object_hold *full = &fill->windows[fill->window];
    fill->window = 1 - fill->window;
    empty_window(store, fill, now_ns);
    lead_on(store, full, &fill->windows[fill->window]);
    return true;
}

/* Into the pages that the window has. */
static size_t copy_in(struct object_store *store, struct object_fill *fill, struct slice bytes)
{
    struct object_record *record = object_record(store, fill->windows[fill->window].page);
    size_t taken = 0;

    while (taken < bytes.length) {
        if (fill->tail_at == store->page_bytes) {
            uint32_t next = object_page_next(store, fill->tail);
            if (next == OBJECT_PAGE_NONE)
                break;
            fill->tail = next;
            fill->tail_at = 0;
        }
        size_t room = store->page_bytes - fill->tail_at, left = bytes.length - taken;
        size_t piece = left < room ? left : room;
        memcpy(object_page_at(store, fill->tail) + fill->tail_at, bytes.start + taken, piece);
        fill->tail_at += (uint32_t)piece;
        taken += piece;
    }
    if (taken > 0) {
        object_store_word(&record->bytes, object_load(&record->bytes) + taken);
        object_wait_tell(store, record);
    }
    return taken;
}

size_t object_flow_append(struct object_store *store, struct object_fill *fill, struct slice bytes,
                          uint64_t now_ns)
{
    size_t taken = 0;

    assert(fill->flow != OBJECT_FLOW_NONE);
    do
        taken += copy_in(store, fill, slice_after(bytes, taken));
    while (taken < bytes.length && next_window(store, fill, now_ns));
    return taken;
}

void object_flow_finish(struct object_store *store, struct object_fill *fill)
{
    struct object_record *record = object_record(store, fill->windows[fill->window].page);

    assert(fill->flow != OBJECT_FLOW_NONE);
    object_store_word(&record->body_bytes, object_load(&record->bytes));
    object_wait_tell(store, record);
}

bool object_flow_is_read(const struct object_store *store, const struct object_fill *fill)
{
    if (fill->flow != OBJECT_FLOW_ROUND && is_held(store, &fill->object))
        return true;
    return fill->flow != OBJECT_FLOW_NONE &&
           (is_held(store, &fill->windows[0]) || is_held(store, &fill->windows[1]));
}

/* ---- for who reads ---- */

static uint64_t origin_of(const struct object_record *record)
{
    return (record->flags & OBJECT_FLAG_WINDOW) != 0 ? record->marker_serial : record->serial;
}

bool object_flow_follow(struct object_store *store, struct object_hold *hold,
                        struct object_cursor *cursor)
{
    const struct object_record *record = object_record(store, hold->page);
    uint32_t page = __atomic_load_n(&record->variants, __ATOMIC_SEQ_CST) - 1;
    const struct object_record *window = object_record(store, page);

    if (!object_lane_hold(store, page))
        return false;
    /* Held now, so it stays what it is: ours, unless its filler has died. */
    uint64_t state = object_page_state(store, page);
    struct object_hold next = {page, object_page_generation(state)};
    if (object_page_kind(state) != OBJECT_PAGE_FILLING ||
        (window->flags & OBJECT_FLAG_WINDOW) == 0 || window->marker_serial != origin_of(record)) {
        object_store_release(store, &next);
        return false;
    }
    object_flow_leave(store, hold);
    *hold = next;
    object_store_seek(store, hold, 0, cursor);
    return true;
}

void object_flow_leave(struct object_store *store, const struct object_hold *hold)
{
    uint32_t lane = object_page_lane(object_page_state(store, hold->page));

    object_store_release(store, hold);
    object_wait_tell_lane(store, lane);
}
