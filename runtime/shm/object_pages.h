/*
 * object_pages — whose each page of an object store is, and taking and freeing them.
 *
 * All about a page is one 64-bit word, its state: kind, lane, generation and 28 bits of what
 * depends on the kind. It changes by compare-and-swap alone. A first page stands for its object;
 * the others name their first page and its generation, so a page whose owner is gone is known as
 * such.
 *
 * Which pages are free is also noted in bits, which may be wrong: that a page is free is true only
 * in its state. Repair: object_pages_hint() after a process died between the two.
 */
#pragma once

#include "shm/object_store.h"

#define OBJECT_PAGE_NONE UINT32_MAX

enum object_page_kind {
    OBJECT_PAGE_FREE,     /* the word is 0 */
    OBJECT_PAGE_BODY,     /* behind a first page, whose number is the info */
    OBJECT_PAGE_NEW,      /* a first page that its lane writes, unknown to others */
    OBJECT_PAGE_FILLING,  /* likewise from here on: a first page, its lane fills the object */
    OBJECT_PAGE_COMPLETE, /* stays until it is removed */
    OBJECT_PAGE_REMOVED,  /* not found any more, but held */
    OBJECT_PAGE_FREEING   /* its lane gives all its pages back */
};

/* Of a state: kind (4 bits), lane (10), generation (22), info (28). */
#define OBJECT_PAGE_LANE_SHIFT       50
#define OBJECT_PAGE_GENERATION_SHIFT 28
#define OBJECT_PAGE_GENERATION_MASK  ((1U << 22) - 1)
#define OBJECT_PAGE_INFO_MASK        ((1U << 28) - 1)
/* Of the info of a first page: when it came (24 bits), whether it was found often enough to stay in
 * the main queue, and how it ended: enum object_state. */
#define OBJECT_INFO_BIRTH_MASK ((1U << 24) - 1)
#define OBJECT_INFO_MAIN       (1U << 24)
#define OBJECT_INFO_END_SHIFT  25

static inline uint64_t object_page_word(enum object_page_kind kind, uint32_t lane,
                                        uint32_t generation, uint32_t info)
{
    return (uint64_t)kind << 60 | (uint64_t)lane << OBJECT_PAGE_LANE_SHIFT |
           (uint64_t)generation << OBJECT_PAGE_GENERATION_SHIFT | info;
}

static inline enum object_page_kind object_page_kind(uint64_t state)
{
    return (enum object_page_kind)(state >> 60);
}

static inline uint32_t object_page_lane(uint64_t state)
{
    return (uint32_t)(state >> OBJECT_PAGE_LANE_SHIFT) & 1023;
}

static inline uint32_t object_page_generation(uint64_t state)
{
    return (uint32_t)(state >> OBJECT_PAGE_GENERATION_SHIFT) & OBJECT_PAGE_GENERATION_MASK;
}

static inline uint32_t object_page_info(uint64_t state)
{
    return (uint32_t)state & OBJECT_PAGE_INFO_MASK;
}

static inline enum object_state object_page_end(uint64_t state)
{
    return (enum object_state)(object_page_info(state) >> OBJECT_INFO_END_SHIFT);
}

/* In one order for all processes: who removes and who holds must not miss each other. */
static inline uint64_t object_page_state(const struct object_store *store, uint32_t page)
{
    return __atomic_load_n(&store->states[page], __ATOMIC_SEQ_CST);
}

static inline bool object_page_change(const struct object_store *store, uint32_t page,
                                      uint64_t from, uint64_t to)
{
    return __atomic_compare_exchange_n(&store->states[page], &from, to, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_SEQ_CST);
}

static inline char *object_page_at(const struct object_store *store, uint32_t page)
{
    return store->pages + (size_t)page * store->page_bytes;
}

static inline uint32_t object_page_next(const struct object_store *store, uint32_t page)
{
    return __atomic_load_n(&store->next[page], __ATOMIC_ACQUIRE);
}

static inline void object_page_link(const struct object_store *store, uint32_t before,
                                    uint32_t behind)
{
    __atomic_store_n(&store->next[before], behind, __ATOMIC_RELEASE);
}

/* A free page, which gets that state; nothing follows it. OBJECT_PAGE_NONE: there is none. */
uint32_t object_pages_take(struct object_store *store, uint64_t state);
/* False when it does not have that state. */
bool object_pages_free(struct object_store *store, uint32_t page, uint64_t state);
/* Behind the last page that was ever taken. */
uint32_t object_pages_end(const struct object_store *store);
bool object_pages_is_hinted(const struct object_store *store, uint32_t page);
/* A free page is noted as such. */
void object_pages_hint(const struct object_store *store, uint32_t page);
/* Gives back a chain of an object's pages from `page` on; as many as there were. */
uint32_t object_pages_free_chain(struct object_store *store, uint32_t page, uint32_t owner,
                                 uint32_t generation);
