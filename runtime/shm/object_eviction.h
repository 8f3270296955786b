/*
 * object_eviction — S3-FIFO: which objects give way when an object store is full.
 *
 * What is new waits in a small queue, a tenth of the memory; found more than once meanwhile, it
 * moves to the main queue, else it goes, and is remembered for a while: if it comes back, it
 * belongs to the main queue at once. There, each time it was found (three count) is one more round
 * (Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023). Chosen over
 * W-TinyLFU since a find writes at most one byte, and nothing once that has its highest value;
 * since there is no sketch to age; and since here it needs no queue: the states of the pages, which
 * each process looks through for a stretch at a time, are both. So nothing can be torn by who dies.
 *
 * The small queue's order is kept by age: pages that came since. The main queue's is that of the
 * pages' numbers, as in CLOCK.
 *
 * What is held is left alone. Work is bounded for each page taken.
 */
#pragma once

#include "shm/object_pages.h"

/* The small queue, in parts of all pages. */
#define OBJECT_EVICTION_SMALL_PART 10
/* Words looked at for one page that is needed, at most: 128 KiB of them. */
#define OBJECT_EVICTION_WORDS_MAX 16384

/* As object_pages_take(), after making room if there is none. */
uint32_t object_eviction_take(struct object_store *store, uint64_t state, uint64_t now_ns);
/* For the state of a new object: its age, and which queue it joins. */
uint32_t object_eviction_info(const struct object_store *store, uint64_t tag);
/* The object was found. */
static inline void object_eviction_heat(const struct object_store *store, uint32_t page)
{
    uint8_t heat = __atomic_load_n(&store->heat[page], __ATOMIC_RELAXED);
    if (heat < 3)
        __atomic_store_n(&store->heat[page], (uint8_t)(heat + 1), __ATOMIC_RELAXED);
}
