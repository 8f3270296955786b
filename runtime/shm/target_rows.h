/*
 * target_rows — numbers for what comes and goes, found by its names, and whose nobody is any more.
 *
 * Who has a row holds it: its lane counts so, in a word that its worker alone writes and that the
 * master zeroes when it has reaped it, so that the sum of all lanes is exact whoever dies. A row
 * that nobody holds keeps its name and is found again; when no other is left it is given to another
 * name.
 *
 * Each row has a word of state, which changes by compare-and-swap and never comes back to what it
 * was:
 *
 *   FREE -> CLAIMED  by one that holds the row already, and then alone writes what is in it;
 *   CLAIMED -> LIVE  when it has been made the latest, by whoever comes by first;
 *   LIVE -> LEAVING  by one that wants it, which then looks whether anybody holds it:
 *   LEAVING -> FREE  if nobody does; -> LIVE if somebody does, also by the one who came just then.
 *
 * Who comes holds first and looks at the state then; who takes marks first and looks at the holders
 * then; so one of the two sees the other. A new name is published by making its row the latest,
 * which fails if another one was published since the names were looked through: no name has two
 * rows.
 *
 * Repair: nothing waits for anybody. What was killed in CLAIMED or LEAVING is nobody's, and
 * is taken as any other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/slice.h"
#include "shm/series.h"

/* Both names of a row together; longer ones have no row. */
#define TARGET_ROW_NAME_BYTES 504

struct target_rows_shared;

/* This process's view; all but `shared` is filled in by its owner. */
struct target_rows {
    struct target_rows_shared *shared;
    const struct hash_key *hash_key;
    struct series lanes; /* their words, in whose `holders` it is counted who holds */
    uint32_t holders;    /* those behind it are zeroed when the row gets another name */
    /* What else is in a row: so many words, zeroed when it gets another name, which it does not
     * while the word `keeper` is not zero. */
    uint64_t *words;
    uint32_t width, keeper;
};

struct target_name {
    struct slice upstream, target; /* of the shared memory; as long as the row is held */
    uint32_t row;
};

size_t target_rows_bytes(uint32_t rows);
/* Over zeroed memory, or what another process made there. */
void target_rows_init(struct target_rows *rows, void *memory);

/*
 * The row of these names, given now if there is none, held once more by this lane; 0 when all are
 * held or kept, or the names are too long. Walks over the rows: keep the answer.
 */
uint32_t target_rows_hold(const struct target_rows *rows, struct slice upstream,
                          struct slice target);
/* The same without giving one: 0 when there is none. */
uint32_t target_rows_find(const struct target_rows *rows, struct slice upstream,
                          struct slice target);
/* No longer held by this lane; 0: nothing happens. */
void target_rows_release(const struct target_rows *rows, uint32_t row);

/*
 * Visits all rows with a name; `*cursor` begins at 0 and is the row that this lane holds meanwhile:
 * who does not go on until false is said, releases it.
 */
bool target_rows_next(const struct target_rows *rows, uint32_t *cursor, struct target_name *name);

/* All rows that ever were somebody's are below it. */
uint32_t target_rows_end(const struct target_rows *rows);
