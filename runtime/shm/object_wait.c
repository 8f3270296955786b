/*
 * object_wait — bits for lanes, and a bell for each lane.
 */
#include "shm/object_wait.h"

#include <assert.h>

#include "base/mem.h"
#include "shm/bells.h"
#include "shm/object_lanes.h"

#define WAITER_BITS 64

void object_wait_tell_lane(const struct object_store *store, uint32_t lane)
{
    if (store->wake_fds != NULL)
        bells_ring(store->wake_fds, lane);
}

void object_wait_tell(const struct object_store *store, struct object_record *record)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (object_load(&record->waiters) == 0 || store->wake_fds == NULL)
        return;
    uint64_t waiters = __atomic_exchange_n(&record->waiters, 0, __ATOMIC_SEQ_CST);
    for (; waiters != 0; waiters &= waiters - 1) {
        uint32_t lane = (uint32_t)__builtin_ctzll(waiters);
        for (; lane < store->lane_count; lane += WAITER_BITS)
            object_wait_tell_lane(store, lane);
    }
}

bool object_store_open_wakes(struct object_store *store, uint32_t first_lane, uint32_t count)
{
    assert(first_lane + count <= store->lane_count);
    if (store->wake_fds == NULL)
        store->wake_fds = bells_create(store->lane_count);
    return bells_hang(store->wake_fds, first_lane, count);
}

static bool is_different(const struct object_progress *one, const struct object_progress *other)
{
    return one->bytes != other->bytes || one->state != other->state ||
           one->has_head != other->has_head || one->refreshes != other->refreshes ||
           one->is_refreshing != other->is_refreshing || one->is_removed != other->is_removed;
}

/* Whether the process that will change it can tell us. */
static bool can_be_told(const struct object_store *store, const struct object_hold *hold)
{
    uint64_t state = object_page_state(store, hold->page);
    uint32_t refresher =
        __atomic_load_n(&object_record(store, hold->page)->refresher, __ATOMIC_SEQ_CST);
    uint32_t lane = object_page_lane(state);

    if (store->wake_fds == NULL || store->wake_fds[store->lane] < 0)
        return false;
    if (object_page_kind(state) == OBJECT_PAGE_FILLING && store->wake_fds[lane] < 0)
        return false;
    return refresher == 0 || store->wake_fds[refresher - 1] >= 0;
}

/* False when there is something new already. */
static bool announce(const struct object_store *store, const struct object_wait *wait)
{
    struct object_record *record = object_record(store, wait->hold.page);
    struct object_progress now;

    __atomic_fetch_or(&record->waiters, 1ULL << store->lane % WAITER_BITS, __ATOMIC_SEQ_CST);
    object_store_progress(store, &wait->hold, &now);
    return !is_different(&now, &wait->seen);
}

bool object_store_wait(struct object_store *store, struct object_wait *wait, bool *is_new)
{
    *is_new = false;
    list_init(&wait->node);
    if (!can_be_told(store, &wait->hold))
        return false;
    if (!announce(store, wait)) {
        *is_new = true;
        return false;
    }
    list_push_back(&store->waits, &wait->node);
    object_lane_count(store, OBJECT_COUNT_COLLAPSED, 1);
    return true;
}

void object_store_wait_cancel(struct object_wait *wait)
{
    list_remove(&wait->node);
}

int object_store_wake_fd(const struct object_store *store)
{
    return store->wake_fds != NULL ? store->wake_fds[store->lane] : -1;
}

void object_store_wake(struct object_store *store)
{
    struct list waits;

    if (!bells_hear(object_store_wake_fd(store)))
        return;
    list_init(&waits);
    while (!list_is_empty(&store->waits)) {
        struct list *node = store->waits.next;
        list_remove(node);
        list_push_back(&waits, node);
    }
    while (!list_is_empty(&waits)) {
        struct object_wait *wait = CONTAINER_OF(waits.next, struct object_wait, node);
        list_remove(&wait->node);
        if (announce(store, wait))
            list_push_back(&store->waits, &wait->node);
        else
            wait->ready(wait);
    }
}
