/*
 * series — named rows of 64-bit words, one copy of each row for every lane.
 *
 * A lane has one writer, the loop of one worker, which adds to its own words
 * without a lock prefix; readers add up all lanes. A worker that replaces a
 * dead one continues its lane, so sums never fall. Two processes that live at
 * the same time never share a lane: an upgrade that drains old workers beside
 * new ones gives the new ones lanes of their own.
 *
 * Row 0 belongs to no name and collects what found no room (see name_table.h).
 * A reader may see a row between two words of the same event.
 */
#pragma once

#include <assert.h>

#include "shm/name_table.h"
#include "shm/segment.h"

#define SERIES_LANES_MAX 1024

struct series_limits {
    uint32_t lanes;
    uint32_t rows; /* row 0 included */
    uint32_t words;
    size_t text_bytes; /* of all names and labels */
};

struct series_shared;

/* This process's view. */
struct series {
    struct series_shared *shared;
    struct name_table names;
    uint64_t *values;
    uint64_t *mine; /* of the attached lane; NULL before */
    size_t lane_words;
    uint32_t lanes, rows, words;
};

size_t series_bytes(const struct series_limits *limits);
/* The region `name`; false when the segment refuses it, or it was made with other limits. */
bool series_init(struct series *series, struct segment *segment, const char *name,
                 const struct series_limits *limits);
/* From now on this process writes in `lane`. Lanes that nobody ever had are neither read nor paid
 * for. */
void series_attach(struct series *series, uint32_t lane);
/* Whether some process ever had that lane. */
bool series_has(const struct series *series, uint32_t lane);

/* The row for a name; 0 when there is no room. Costs a hash: keep the answer. */
static inline uint32_t series_row(const struct series *series, uint32_t kind, struct slice name,
                                  struct slice labels)
{
    return name_table_intern(&series->names, kind, name, labels);
}

/* The attached lane's words of a row, to be written with series_add() and series_store(). */
static inline uint64_t *series_mine(const struct series *series, uint32_t row)
{
    assert(series->mine != NULL && row < series->rows);
    return series->mine + (size_t)row * series->words;
}

/* The sum over all lanes, modulo 2^64. */
uint64_t series_sum(const struct series *series, uint32_t row, uint32_t word);

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static inline void series_store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* One writer, so nothing has to be locked; readers see either value. */
static inline void series_add(uint64_t *word, uint64_t amount)
{
    series_store(word, __atomic_load_n(word, __ATOMIC_RELAXED) + amount);
}
