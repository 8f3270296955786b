/*
 * page_log — pages that pass from free to open to sealed, and by cleaning back.
 */
#include "shm/page_log.h"

#include <assert.h>

enum page_kind { PAGE_FREE, PAGE_OPEN, PAGE_SEALED, PAGE_CLEANING };

/* A state word, from the top: 2 bits kind, 10 lane, 32 generation, 20 live bytes. */
struct page_state {
    enum page_kind kind;
    uint32_t lane, generation, live;
};
_Static_assert(PAGE_LOG_PAGE_BYTES_MAX < 1 << 20, "live bytes have 20 bits");

static uint64_t pack(struct page_state state)
{
    return (uint64_t)state.kind << 62 | (uint64_t)state.lane << 52 |
           (uint64_t)state.generation << 20 | state.live;
}

static struct page_state load(const struct page_log *log, uint32_t page)
{
    uint64_t word = __atomic_load_n(&log->states[page], __ATOMIC_ACQUIRE);
    return (struct page_state){.kind = (enum page_kind)(word >> 62),
                               .lane = word >> 52 & 0x3ff,
                               .generation = (uint32_t)(word >> 20),
                               .live = word & 0xfffff};
}

static bool swap(const struct page_log *log, uint32_t page, struct page_state from,
                 struct page_state to)
{
    uint64_t expected = pack(from);
    return __atomic_compare_exchange_n(&log->states[page], &expected, pack(to), false,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* A new generation: releases that are still under way mean the old one. */
static struct page_state freed(struct page_state state)
{
    return (struct page_state){.kind = PAGE_FREE, .generation = state.generation + 1};
}

/* A spot: 28 bits of units from the start of the memory, 32 bits of generation. */
static page_log_spot spot_of(const struct page_log *log, uint32_t page, size_t offset,
                             uint32_t generation)
{
    uint64_t unit = ((uint64_t)page * log->page_bytes + offset) / PAGE_LOG_UNIT;
    return (uint64_t)generation << 28 | unit;
}

static uint64_t start_of(const struct page_log *log, page_log_spot spot)
{
    uint64_t start = (spot & 0xfffffff) * PAGE_LOG_UNIT;
    assert(start < (uint64_t)log->pages * log->page_bytes);
    return start;
}

size_t page_log_bytes(uint32_t pages, uint32_t page_bytes)
{
    return (size_t)pages * (2 * sizeof(uint64_t) + page_bytes);
}

static bool is_sane(uint32_t pages, uint32_t page_bytes)
{
    return page_bytes >= PAGE_LOG_PAGE_BYTES_MIN && page_bytes <= PAGE_LOG_PAGE_BYTES_MAX &&
           page_bytes % PAGE_LOG_UNIT == 0 && pages > 3 &&
           (uint64_t)pages * page_bytes <= PAGE_LOG_BYTES_MAX;
}

void page_log_init(struct page_log *log, void *memory, uint32_t pages, uint32_t page_bytes)
{
    assert(is_sane(pages, page_bytes));
    *log = (struct page_log){.states = memory,
                             .used = (uint64_t *)memory + pages,
                             .memory = (char *)memory + page_log_bytes(pages, 0),
                             .pages = pages,
                             .page_bytes = page_bytes,
                             .reserve = pages / 16 > 2 ? pages / 16 : 2,
                             .open = PAGE_LOG_NONE};
}

/* Whatever happens to its live bytes meanwhile. */
static void seal(const struct page_log *log, uint32_t page)
{
    struct page_state state, sealed;
    do {
        state = load(log, page);
        sealed = state;
        sealed.kind = PAGE_SEALED;
        sealed.lane = 0;
        if (state.live == 0)
            sealed = freed(state);
    } while (!swap(log, page, state, sealed));
}

void page_log_attach(struct page_log *log, uint32_t lane)
{
    assert(lane < PAGE_LOG_LANES_MAX);
    for (uint32_t page = 0; page < log->pages; page++) {
        struct page_state state = load(log, page);
        bool is_held = state.kind == PAGE_OPEN || state.kind == PAGE_CLEANING;
        if (is_held && state.lane == lane)
            seal(log, page);
    }
    log->lane = lane;
    log->open = PAGE_LOG_NONE;
}

/* A sealed page without life is one whose last releaser was killed before it could say so. */
static bool is_free(struct page_state state)
{
    return state.kind == PAGE_FREE || (state.kind == PAGE_SEALED && state.live == 0);
}

static uint32_t find_free(const struct page_log *log, uint32_t spare)
{
    uint32_t found = PAGE_LOG_NONE, count = 0;
    for (uint32_t page = 0; page < log->pages && count <= spare; page++) {
        if (!is_free(load(log, page)))
            continue;
        found = page;
        count++;
    }
    return count > spare ? found : PAGE_LOG_NONE;
}

/* The old page stays open until there is a new one: what is small may still fit. */
static bool turn_page(struct page_log *log, uint32_t spare)
{
    uint32_t page = find_free(log, spare);
    while (page != PAGE_LOG_NONE) {
        struct page_state state = load(log, page);
        struct page_state open = freed(state);
        open.kind = PAGE_OPEN;
        open.lane = log->lane;
        if (is_free(state) && swap(log, page, state, open))
            break;
        page = find_free(log, spare);
    }
    if (page == PAGE_LOG_NONE)
        return false;
    __atomic_store_n(&log->used[page], 0, __ATOMIC_RELEASE);
    if (log->open != PAGE_LOG_NONE)
        seal(log, log->open);
    log->open = page;
    log->end = 0;
    return true;
}

bool page_log_append(struct page_log *log, size_t bytes, bool may_use_reserve, page_log_spot *spot)
{
    size_t rounded = page_log_rounded(bytes);
    assert(rounded >= bytes && rounded <= log->page_bytes);
    if ((log->open == PAGE_LOG_NONE || rounded > log->page_bytes - log->end) &&
        !turn_page(log, may_use_reserve ? 0 : log->reserve))
        return false;
    *spot = spot_of(log, log->open, log->end, load(log, log->open).generation);
    log->end += (uint32_t)rounded;
    __atomic_fetch_add(&log->states[log->open], rounded, __ATOMIC_ACQ_REL);
    return true;
}

void page_log_commit(struct page_log *log)
{
    __atomic_store_n(&log->used[log->open], log->end, __ATOMIC_RELEASE);
}

void page_log_take_back(struct page_log *log, page_log_spot spot, size_t bytes)
{
    log->end = (uint32_t)(start_of(log, spot) % log->page_bytes);
    page_log_commit(log);
    page_log_release(log, spot, bytes);
}

void page_log_release(const struct page_log *log, page_log_spot spot, size_t bytes)
{
    uint32_t page = (uint32_t)(start_of(log, spot) / log->page_bytes);
    struct page_state state, less;
    do {
        state = load(log, page);
        if (state.generation != (uint32_t)(spot >> 28))
            return;
        assert(state.live >= page_log_rounded(bytes));
        less = state;
        less.live -= (uint32_t)page_log_rounded(bytes);
        if (is_free(less))
            less = freed(state);
    } while (!swap(log, page, state, less));
}

char *page_log_at(const struct page_log *log, page_log_spot spot)
{
    return log->memory + start_of(log, spot);
}

size_t page_log_rest(const struct page_log *log, page_log_spot spot)
{
    return log->page_bytes - start_of(log, spot) % log->page_bytes;
}

uint64_t page_log_live(const struct page_log *log)
{
    uint64_t live = 0;
    for (uint32_t page = 0; page < log->pages; page++)
        live += load(log, page).live;
    return live;
}

uint32_t page_log_emptiest(const struct page_log *log, size_t live_max)
{
    uint32_t found = PAGE_LOG_NONE;
    for (uint32_t page = 0; page < log->pages; page++) {
        struct page_state state = load(log, page);
        if (state.kind != PAGE_SEALED || state.live > live_max)
            continue;
        found = page;
        live_max = state.live;
    }
    return found;
}

bool page_log_clean_start(const struct page_log *log, uint32_t page)
{
    struct page_state state = load(log, page);
    while (state.kind == PAGE_SEALED) {
        struct page_state cleaning = state;
        cleaning.kind = PAGE_CLEANING;
        cleaning.lane = log->lane;
        if (swap(log, page, state, cleaning))
            return true;
        state = load(log, page);
    }
    return false;
}

bool page_log_clean_spot(const struct page_log *log, uint32_t page, size_t offset,
                         page_log_spot *spot)
{
    struct page_state state = load(log, page);
    assert(state.kind == PAGE_CLEANING && state.lane == log->lane);
    if (offset >= __atomic_load_n(&log->used[page], __ATOMIC_ACQUIRE))
        return false;
    *spot = spot_of(log, page, offset, state.generation);
    return true;
}

void page_log_clean_end(const struct page_log *log, uint32_t page, bool is_empty)
{
    struct page_state state = load(log, page);
    assert(state.kind == PAGE_CLEANING && state.lane == log->lane);
    if (!is_empty) {
        seal(log, page);
        return;
    }
    while (!swap(log, page, state, freed(state)))
        state = load(log, page);
}
