/*
 * cell_table — two groups of eight cells for each key, searched in one order by all.
 */
#include "shm/cell_table.h"

#include <assert.h>

#define GROUP_CELLS 8
#define PLACES      16

struct cell_table_shared {
    uint64_t candidates; /* handed out so far: each candidate's own number */
    uint64_t refused, reused;
    char unused[128 - 3 * 8];
};
_Static_assert(sizeof(struct cell_table_shared) == GROUP_CELLS * sizeof(struct cell),
               "cells begin at a group's boundary");

enum room { ROOM_NONE, ROOM_CANDIDATE, ROOM_REUSABLE, ROOM_FREE };

/* Where in a group a new cell would go. */
struct group_room {
    int count; /* of cells free or reusable */
    enum room best;
    struct cell_seen cell;
};

/* What a look at all places of a key saw. */
struct scan {
    struct cell_seen settled; /* these three: cell NULL when there is none */
    struct cell_seen candidate;
    struct cell_seen second; /* another candidate, further down */
    bool is_blurred;         /* a cell changed its key while it was read */
    struct group_room rooms[2];
};

#if defined(__x86_64__)
static bool pair_swap(struct cell *cell, struct cell from, struct cell to)
{
    bool is_swapped;
    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(is_swapped), "+m"(*cell), "+a"(from.tag), "+d"(from.word)
                     : "b"(to.tag), "c"(to.word)
                     : "memory");
    return is_swapped;
}
#else
static bool pair_swap(struct cell *cell, struct cell from, struct cell to)
{
    unsigned __int128 expected, wanted;
    __builtin_memcpy(&expected, &from, sizeof(expected));
    __builtin_memcpy(&wanted, &to, sizeof(wanted));
    return __sync_bool_compare_and_swap((unsigned __int128 *)(void *)cell, expected, wanted);
}
#endif

/* In one order for all processes: a confirmation rests on what two of them see of each other. */
static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

size_t cell_table_bytes(size_t cells)
{
    size_t groups = (cells + GROUP_CELLS - 1) / GROUP_CELLS;
    assert(groups > 0 && groups <= UINT32_MAX);
    return sizeof(struct cell_table_shared) + groups * GROUP_CELLS * sizeof(struct cell);
}

size_t cell_table_fit(size_t bytes)
{
    const size_t group_bytes = GROUP_CELLS * sizeof(struct cell);
    if (bytes < sizeof(struct cell_table_shared) + group_bytes)
        return 0;
    return (bytes - sizeof(struct cell_table_shared)) / group_bytes * GROUP_CELLS;
}

void cell_table_init(struct cell_table *table, void *memory, size_t cells)
{
    assert(cells > 0 && (uintptr_t)memory % sizeof(struct cell_table_shared) == 0);
    table->shared = memory;
    table->cells = (struct cell *)((char *)memory + sizeof(struct cell_table_shared));
    table->groups = (cells + GROUP_CELLS - 1) / GROUP_CELLS;
}

/* A key's groups: one by the tag's upper half, one by its lower. They may be the same. */
static struct cell *group_of(const struct cell_table *table, uint64_t tag, int number)
{
    uint64_t half = number == 0 ? tag >> 32 : tag & UINT32_MAX;
    return table->cells + (half * table->groups >> 32) * GROUP_CELLS;
}

bool cell_table_find(const struct cell_table *table, uint64_t tag, struct cell_seen *seen)
{
    for (int i = 0; i < PLACES; i++) {
        struct cell *cell = group_of(table, tag, i / GROUP_CELLS) + i % GROUP_CELLS;
        if (load(&cell->tag) != tag)
            continue;
        *seen = (struct cell_seen){cell, tag, load(&cell->word)};
        if (!cell_is_candidate(seen) && load(&cell->tag) == tag)
            return true;
    }
    return false;
}

/* What is worth more is taken first; taking a candidate makes its inserter start over. */
static enum room room_of(const struct cell_seen *seen, cell_may_reuse *may_reuse, const void *data)
{
    if (seen->tag == 0)
        return ROOM_FREE;
    if (cell_is_candidate(seen))
        return ROOM_CANDIDATE;
    return may_reuse != NULL && may_reuse(seen->word, data) ? ROOM_REUSABLE : ROOM_NONE;
}

static void note_room(struct group_room *group, const struct cell_seen *seen, enum room room)
{
    if (room > ROOM_CANDIDATE)
        group->count++;
    if (room > group->best) {
        group->best = room;
        group->cell = *seen;
    }
}

static void note_own(struct scan *scan, const struct cell_seen *seen)
{
    if (load(&seen->cell->tag) != seen->tag)
        scan->is_blurred = true;
    else if (!cell_is_candidate(seen))
        scan->settled = *seen;
    else if (scan->candidate.cell == NULL)
        scan->candidate = *seen;
    else if (scan->candidate.cell != seen->cell)
        scan->second = *seen;
}

/* Ends early at a confirmed cell: nothing else matters then. */
static void look(const struct cell_table *table, uint64_t tag, cell_may_reuse *may_reuse,
                 const void *data, struct scan *scan)
{
    *scan = (struct scan){0};
    for (int i = 0; i < PLACES && scan->settled.cell == NULL; i++) {
        struct cell *cell = group_of(table, tag, i / GROUP_CELLS) + i % GROUP_CELLS;
        struct cell_seen seen = {cell, load(&cell->tag), load(&cell->word)};
        if (seen.tag == tag)
            note_own(scan, &seen);
        else
            note_room(&scan->rooms[i / GROUP_CELLS], &seen, room_of(&seen, may_reuse, data));
    }
}

/* In the emptier group: so all but the last twentieth of the table can be filled. */
static const struct group_room *choose(const struct scan *scan)
{
    const struct group_room *one = &scan->rooms[0], *other = &scan->rooms[1];
    if (one->count != other->count)
        return one->count > other->count ? one : other;
    return one->best >= other->best ? one : other;
}

static bool replace(const struct cell_seen *seen, uint64_t tag, uint64_t word)
{
    return pair_swap(seen->cell, (struct cell){seen->tag, seen->word}, (struct cell){tag, word});
}

/* A new candidate in the room that the scan found; cell NULL when somebody else took it. */
static struct cell_seen insert(const struct cell_table *table, uint64_t tag,
                               const struct cell_seen *room)
{
    uint64_t number = __atomic_add_fetch(&table->shared->candidates, 1, __ATOMIC_RELAXED);
    struct cell_seen mine = {room->cell, tag, number | CELL_CANDIDATE};
    if (!replace(room, mine.tag, mine.word))
        return (struct cell_seen){0};
    if (room->tag != 0)
        __atomic_fetch_add(&table->shared->reused, 1, __ATOMIC_RELAXED);
    return mine;
}

/* One step towards a candidate that nothing contradicts; `held` is the one this scan had to clear.
 */
static bool advance(const struct cell_table *table, uint64_t tag, const struct scan *scan,
                    struct cell_seen *held)
{
    struct cell_seen cleared = *held;
    *held = (struct cell_seen){0};
    if (scan->is_blurred)
        return false;
    if (scan->second.cell != NULL) {
        /* All search in one order, so all drop the same one. */
        cell_free(&scan->second);
    } else if (scan->candidate.cell != NULL) {
        *held = scan->candidate;
        return cleared.cell == held->cell && cleared.word == held->word;
    } else {
        *held = insert(table, tag, &choose(scan)->cell);
    }
    return false;
}

/* A candidate beside a confirmed cell only takes room; whoever inserted it starts over. */
static void drop(const struct cell_seen *candidate)
{
    if (candidate->cell != NULL)
        cell_free(candidate);
}

bool cell_table_claim(const struct cell_table *table, uint64_t tag, cell_may_reuse *may_reuse,
                      const void *data, struct cell_seen *seen)
{
    struct cell_seen held = {0};
    assert(tag != 0);

    /* Mostly it is there. A candidate beside it stays then: no scan that sees a confirmed cell
     * clears a candidate, and its room is anybody's. */
    if (cell_table_find(table, tag, seen))
        return true;
    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        struct scan scan;
        look(table, tag, may_reuse, data, &scan);
        if (scan.settled.cell != NULL) {
            drop(&held);
            drop(&scan.candidate);
            *seen = scan.settled;
            return true;
        }
        if (scan.candidate.cell == NULL && choose(&scan)->best == ROOM_NONE && !scan.is_blurred)
            break;
        if (advance(table, tag, &scan, &held)) {
            *seen = held;
            return true;
        }
    }
    __atomic_fetch_add(&table->shared->refused, 1, __ATOMIC_RELAXED);
    return false;
}

bool cell_holds(const struct cell_seen *seen)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return load(&seen->cell->word) == seen->word && load(&seen->cell->tag) == seen->tag;
}

bool cell_swap(struct cell_seen *seen, uint64_t word)
{
    assert((word & CELL_CANDIDATE) == 0);
    if (!replace(seen, seen->tag, word))
        return false;
    seen->word = word;
    return true;
}

bool cell_free(const struct cell_seen *seen)
{
    return replace(seen, 0, 0);
}

uint64_t cell_table_refused(const struct cell_table *table)
{
    return load(&table->shared->refused);
}

uint64_t cell_table_reused(const struct cell_table *table)
{
    return load(&table->shared->reused);
}
