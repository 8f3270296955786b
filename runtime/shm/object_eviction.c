/*
 * object_eviction — two hands that go round the states of the pages.
 */
#include "shm/object_eviction.h"

#include "shm/object_lanes.h"
#include "shm/object_removal.h"

/* Words of one step of a hand. For each page needed the small one looks at this many at least: a
 * round takes fewer pages than its queue has. Finding nothing there, it looks at some more, since
 * what is small and old may lie together. */
#define STEP            16
#define SMALL_WORDS_MAX 256
/* Found so often, an object moves from the small queue to the main one. */
#define PROMOTION_HEAT 2

struct sweep {
    uint64_t now_ns;
    uint32_t born_before; /* pages that came since, for the small queue to judge */
    uint32_t evicted;
};

static uint32_t age_of(const struct object_store *store, uint32_t info)
{
    uint64_t inserted = __atomic_load_n(&store->shared->inserted, __ATOMIC_RELAXED);
    return (uint32_t)(inserted - info) & OBJECT_INFO_BIRTH_MASK;
}

/* What was evicted lately is a table by tag: half of the tag, and how many pages had come. */
static uint64_t *ghost_of(const struct object_store *store, uint64_t tag)
{
    return &store->ghosts[(tag & UINT32_MAX) * store->page_count >> 32];
}

static void remember(const struct object_store *store, uint64_t tag)
{
    uint64_t inserted = __atomic_load_n(&store->shared->inserted, __ATOMIC_RELAXED);
    uint64_t ghost = (tag & ~(uint64_t)UINT32_MAX) | (uint32_t)inserted;
    __atomic_store_n(ghost_of(store, tag), ghost, __ATOMIC_RELAXED);
}

/* Before the store has been full, nothing is: the table is not touched. */
static bool is_remembered(const struct object_store *store, uint64_t tag)
{
    uint64_t inserted = __atomic_load_n(&store->shared->inserted, __ATOMIC_RELAXED);
    if (inserted < store->page_count)
        return false;
    uint64_t ghost = __atomic_load_n(ghost_of(store, tag), __ATOMIC_RELAXED);
    return ghost >> 32 == tag >> 32 && (uint32_t)((uint32_t)inserted - ghost) < store->page_count;
}

uint32_t object_eviction_info(const struct object_store *store, uint64_t tag)
{
    uint64_t inserted = __atomic_load_n(&store->shared->inserted, __ATOMIC_RELAXED);
    uint32_t birth = (uint32_t)inserted & OBJECT_INFO_BIRTH_MASK;
    return is_remembered(store, tag) ? birth | OBJECT_INFO_MAIN : birth;
}

static bool is_useless(const struct object_record *record, uint64_t now_ns)
{
    uint64_t until = object_load(&record->useful_until_ns);
    return until != 0 && until <= now_ns;
}

static void evict(struct object_store *store, uint32_t page, uint64_t state, struct sweep *sweep)
{
    const struct object_record *record = object_record(store, page);
    struct object_hold object = {page, object_page_generation(state)};
    uint64_t tag = record->tag;
    bool is_small = (object_page_info(state) & OBJECT_INFO_MAIN) == 0;
    bool is_expired = is_useless(record, sweep->now_ns);

    if (object_lanes_hold(store, page) || !object_removal_take_out(store, &object, true))
        return;
    if (is_expired)
        object_lane_count(store, OBJECT_COUNT_EXPIRED, 1);
    else if (is_small)
        remember(store, tag);
    sweep->evicted++;
}

/* Both queues begin with an object that has not been found yet. */
static void judge_small(struct object_store *store, uint32_t page, uint64_t state,
                        struct sweep *sweep)
{
    if (age_of(store, object_page_info(state)) < sweep->born_before)
        return;
    if (__atomic_load_n(&store->heat[page], __ATOMIC_RELAXED) < PROMOTION_HEAT ||
        is_useless(object_record(store, page), sweep->now_ns)) {
        evict(store, page, state, sweep);
        return;
    }
    __atomic_store_n(&store->heat[page], 0, __ATOMIC_RELAXED);
    object_page_change(store, page, state, state | OBJECT_INFO_MAIN);
}

static void judge_main(struct object_store *store, uint32_t page, uint64_t state,
                       struct sweep *sweep)
{
    uint8_t heat = __atomic_load_n(&store->heat[page], __ATOMIC_RELAXED);

    if (heat == 0 || is_useless(object_record(store, page), sweep->now_ns))
        evict(store, page, state, sweep);
    else
        __atomic_store_n(&store->heat[page], (uint8_t)(heat - 1), __ATOMIC_RELAXED);
}

/* The next stretch of a hand, which no other process looks at in this round. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static void step(struct object_store *store, uint64_t *hand, uint32_t queue, struct sweep *sweep)
{
    uint64_t turn = __atomic_fetch_add(hand, STEP, __ATOMIC_RELAXED);

    uint32_t page = (uint32_t)(turn % store->page_count);
    for (uint32_t i = 0; i < STEP; i++, page++) {
        if (page == store->page_count)
            page = 0;
        uint64_t state = object_page_state(store, page);
        if (object_page_kind(state) != OBJECT_PAGE_COMPLETE ||
            (object_page_info(state) & OBJECT_INFO_MAIN) != queue)
            continue;
        if (queue == OBJECT_INFO_MAIN)
            judge_main(store, page, state, sweep);
        else
            judge_small(store, page, state, sweep);
    }
}

/* Old objects of the small queue first, then the main one, then whatever is in the small one. */
static bool make_room(struct object_store *store, uint64_t now_ns)
{
    struct object_store_shared *shared = store->shared;
    struct sweep sweep = {.now_ns = now_ns,
                          .born_before = store->page_count / OBJECT_EVICTION_SMALL_PART};
    uint32_t words = 0;

    for (; sweep.evicted == 0 && words < SMALL_WORDS_MAX; words += STEP)
        step(store, &shared->small_hand, 0, &sweep);
    for (; sweep.evicted == 0 && words < OBJECT_EVICTION_WORDS_MAX / 2; words += STEP)
        step(store, &shared->main_hand, OBJECT_INFO_MAIN, &sweep);
    sweep.born_before = 0;
    for (; sweep.evicted == 0 && words < OBJECT_EVICTION_WORDS_MAX; words += STEP)
        step(store, &shared->small_hand, 0, &sweep);
    return sweep.evicted > 0;
}

uint32_t object_eviction_take(struct object_store *store, uint64_t state, uint64_t now_ns)
{
    uint32_t page = object_pages_take(store, state);

    /* What was made room may be taken by another process at once. */
    for (int i = 0; i < 4 && page == OBJECT_PAGE_NONE && make_room(store, now_ns); i++)
        page = object_pages_take(store, state);
    if (page == OBJECT_PAGE_NONE)
        object_lane_count(store, OBJECT_COUNT_REFUSED, 1);
    else
        __atomic_fetch_add(&store->shared->inserted, 1, __ATOMIC_RELAXED);
    return page;
}
