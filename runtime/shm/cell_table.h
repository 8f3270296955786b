/*
 * cell_table — shared cells, one 64-bit word for each key, never two for one key.
 *
 * A key is a 64-bit keyed hash (its tag); a cell is the pair of tag and word,
 * and only ever changes as a whole, by one 16-byte compare-and-swap. So there is
 * no time between two stores at which a writer could be killed, nobody waits
 * for anybody, and a swap that succeeds proves that the word still belonged to
 * the tag.
 *
 * A key's cell may be in sixteen places. That two processes which insert the
 * same key at once end with one cell needs more than the swap: a cell begins
 * as a candidate, under a number that no other candidate ever has, and is
 * confirmed only by a process that, after it saw the candidate, looked at all
 * places and saw no other cell of that tag. Of two candidates at least one
 * would be seen by the other's confirmer, hence at most one is confirmed. A
 * candidate whose process was killed is the repair's whole work: whoever wants
 * that key confirms it, whoever needs the room takes it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The top bit of a word marks a candidate; callers' words leave it clear. */
#define CELL_CANDIDATE (1ULL << 63)
/* Lost races after which an operation gives up; each one is another process's success. */
#define CELL_ATTEMPTS_MAX 4096

struct cell {
    uint64_t tag, word; /* tag 0: free */
} __attribute__((aligned(16)));

struct cell_table_shared;

/* This process's view of the table. */
struct cell_table {
    struct cell_table_shared *shared;
    struct cell *cells;
    uint64_t groups;
};

/* A cell as it was seen: the argument of a swap. */
struct cell_seen {
    struct cell *cell;
    uint64_t tag, word;
};

/* Whether a cell with this word may be taken for another key. */
typedef bool cell_may_reuse(uint64_t word, const void *data);

/* What the table needs for at least `cells` of them. */
size_t cell_table_bytes(size_t cells);
/* The most cells that fit; 0 when not even one group does. */
size_t cell_table_fit(size_t bytes);
/* Over zeroed memory, or over the table that another process made there. 128-byte aligned. */
void cell_table_init(struct cell_table *table, void *memory, size_t cells);

/* The tag for a hash: any but 0, which means free. */
static inline uint64_t cell_tag(uint64_t hash)
{
    return hash != 0 ? hash : 1;
}

/* The key's confirmed cell. */
bool cell_table_find(const struct cell_table *table, uint64_t tag, struct cell_seen *seen);
/*
 * The key's cell, or a candidate that the next cell_swap() may confirm; false when
 * all its places are taken by words that may not be reused. A NULL `may_reuse` reuses none.
 */
bool cell_table_claim(const struct cell_table *table, uint64_t tag, cell_may_reuse *may_reuse,
                      const void *data, struct cell_seen *seen);

static inline bool cell_is_candidate(const struct cell_seen *seen)
{
    return (seen->word & CELL_CANDIDATE) != 0;
}

/* Whether the cell is still as it was seen; orders all reads before it. */
bool cell_holds(const struct cell_seen *seen);
/* Stores `word`, if the cell is as it was seen; then seen->word is the new one. */
bool cell_swap(struct cell_seen *seen, uint64_t word);
/* Frees the cell, if it is as it was seen. */
bool cell_free(const struct cell_seen *seen);

/* Calls to claim that found no room, and cells that changed their key, since the table was made. */
uint64_t cell_table_refused(const struct cell_table *table);
uint64_t cell_table_reused(const struct cell_table *table);
