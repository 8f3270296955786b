/*
 * object_pages — a search over two levels of bits, then a compare-and-swap.
 */
#include "shm/object_pages.h"

#include <assert.h>

#include "shm/object_record.h"

#define WORD_BITS 64
#define FULL      UINT64_MAX

static uint32_t word_count(const struct object_store *store)
{
    return store->page_count / WORD_BITS;
}

/* Pages from there on have never been taken: nobody has to look at them. */
static void reach(const struct object_store *store, uint32_t end)
{
    uint32_t *page_end = &store->shared->page_end;
    uint32_t seen = __atomic_load_n(page_end, __ATOMIC_SEQ_CST);

    while (seen < end && !__atomic_compare_exchange_n(page_end, &seen, end, false, __ATOMIC_SEQ_CST,
                                                      __ATOMIC_SEQ_CST)) {
    }
}

uint32_t object_pages_end(const struct object_store *store)
{
    return __atomic_load_n(&store->shared->page_end, __ATOMIC_SEQ_CST);
}

bool object_pages_is_hinted(const struct object_store *store, uint32_t page)
{
    uint32_t word = page / WORD_BITS;

    return (object_load(&store->taken_hints[word]) >> page % WORD_BITS & 1) == 0 &&
           (object_load(&store->full_hints[word / WORD_BITS]) >> word % WORD_BITS & 1) == 0;
}

/* Of free pages that others take meanwhile, the bits come back with them. */
static uint32_t take_in_word(const struct object_store *store, uint32_t word, uint64_t state)
{
    uint64_t *hints = &store->taken_hints[word];

    for (;;) {
        uint64_t taken = __atomic_load_n(hints, __ATOMIC_SEQ_CST);
        if (taken == FULL)
            return OBJECT_PAGE_NONE;
        uint32_t bit = (uint32_t)__builtin_ctzll(~taken), page = word * WORD_BITS + bit;
        reach(store, page + 1);
        __atomic_fetch_or(hints, 1ULL << bit, __ATOMIC_SEQ_CST);
        if (object_page_change(store, page, 0, state))
            return page;
    }
}

/* Whoever frees a page of it clears the bit after the page's; so it is looked at once more. */
static void note_full(const struct object_store *store, uint32_t word)
{
    uint64_t *hints = &store->full_hints[word / WORD_BITS], bit = 1ULL << word % WORD_BITS;

    __atomic_fetch_or(hints, bit, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&store->taken_hints[word], __ATOMIC_SEQ_CST) != FULL)
        __atomic_fetch_and(hints, ~bit, __ATOMIC_SEQ_CST);
}

/* The first word from `word` on that may have a free page, but none beyond the group of 64 words.
 */
static uint32_t next_word(const struct object_store *store, uint32_t word)
{
    uint64_t full =
        __atomic_load_n(&store->full_hints[word / WORD_BITS], __ATOMIC_SEQ_CST) >> word % WORD_BITS;
    uint32_t left = WORD_BITS - word % WORD_BITS;

    uint32_t skip = full == FULL ? left : (uint32_t)__builtin_ctzll(~full);
    return word + (skip < left ? skip : left);
}

static uint32_t take_between(struct object_store *store, uint32_t word, uint32_t end,
                             uint64_t state)
{
    while (word < end) {
        uint32_t found = next_word(store, word);
        if (found % WORD_BITS == 0 && found != word) {
            word = found;
            continue;
        }
        if (found >= end)
            break;
        uint32_t page = take_in_word(store, found, state);
        if (page != OBJECT_PAGE_NONE)
            return page;
        note_full(store, found);
        word = found + 1;
    }
    return OBJECT_PAGE_NONE;
}

uint32_t object_pages_take(struct object_store *store, uint64_t state)
{
    uint32_t first = store->cursor / WORD_BITS;
    uint32_t page = take_between(store, first, word_count(store), state);

    if (page == OBJECT_PAGE_NONE)
        page = take_between(store, 0, first, state);
    if (page == OBJECT_PAGE_NONE)
        return page;
    object_page_link(store, page, OBJECT_PAGE_NONE);
    store->cursor = page;
    return page;
}

void object_pages_hint(const struct object_store *store, uint32_t page)
{
    uint32_t word = page / WORD_BITS;

    __atomic_fetch_and(&store->taken_hints[word], ~(1ULL << page % WORD_BITS), __ATOMIC_SEQ_CST);
    __atomic_fetch_and(&store->full_hints[word / WORD_BITS], ~(1ULL << word % WORD_BITS),
                       __ATOMIC_SEQ_CST);
}

bool object_pages_free(struct object_store *store, uint32_t page, uint64_t state)
{
    assert(page < store->page_count && state != 0);
    if (!object_page_change(store, page, state, 0))
        return false;
    object_pages_hint(store, page);
    store->cursor = page;
    return true;
}

uint32_t object_pages_free_chain(struct object_store *store, uint32_t page, uint32_t owner,
                                 uint32_t generation)
{
    uint32_t count = 0;

    while (page < store->page_count && count < store->page_count) {
        uint32_t next = object_page_next(store, page);
        uint64_t state = object_page_state(store, page);
        if (object_page_kind(state) != OBJECT_PAGE_BODY || object_page_info(state) != owner ||
            object_page_generation(state) != generation || !object_pages_free(store, page, state))
            break;
        count++;
        page = next;
    }
    return count;
}
