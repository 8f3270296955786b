/*
 * slots — counts that name their last writer, and a list for each lane of what it holds.
 *
 * Bits of a word: 19 to 0 the count, 29 to 20 the lane of who wrote it, 61 to 30 the lower half of
 * the number of that operation.
 */
#include "shm/slots.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#define LAYOUT 1
/* Keys of which there is at least one, in all. */
#define CELLS 262144

#define COUNT_BITS 20
#define LANE_BITS  10
#define LANE_MASK  ((1U << LANE_BITS) - 1)

/* What a lane is about to do, in `operation`: its number and whether somebody saw it done. */
#define OPERATION_DONE 1ULL
/* ... and in `subject`: which entry of the list, and whether it is given back. */
#define SUBJECT_GIVES 1U

struct slots_lane {
    uint64_t operation;            /* number << 1 | OPERATION_DONE; 0: none is under way */
    uint64_t number;               /* of the last one; never starts anew */
    uint64_t tag;                  /* the key it is about */
    uint32_t subject;              /* entry << 1 | SUBJECT_GIVES */
    uint32_t entries;              /* of the list that ever were in use */
    uint64_t held[SLOTS_HELD_MAX]; /* tags; 0: free */
    char unused[128 - 32];         /* no two lanes in one cache line */
};
_Static_assert(sizeof(struct slots_lane) % 128 == 0, "lanes begin at cache lines");

static size_t lanes_bytes(uint32_t lanes)
{
    return lanes * sizeof(struct slots_lane);
}

size_t slots_bytes(uint32_t lanes)
{
    size_t bytes = lanes_bytes(lanes) + cell_table_bytes(CELLS);
    return (bytes + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
}

bool slots_init(struct slots *slots, struct segment *segment, const char *name, uint32_t lanes)
{
    assert(lanes > 0 && lanes <= SLOTS_LANES_MAX);
    char *memory = segment_allot(segment, name, LAYOUT, slots_bytes(lanes));
    if (memory == NULL)
        return false;
    *slots = (struct slots){.lanes = (struct slots_lane *)memory,
                            .hash_key = segment_hash_key(segment),
                            .lane_count = lanes};
    cell_table_init(&slots->cells, memory + lanes_bytes(lanes), CELLS);
    return true;
}

void slots_attach(struct slots *slots, uint32_t lane)
{
    assert(lane < slots->lane_count);
    slots->lane = lane;
    slots->returned_count = slots->fresh = 0;
}

void slots_clear(struct slots *slots)
{
    free(slots->returned);
    slots->returned = NULL;
}

uint64_t slots_key(const struct slots *slots, struct slice name, struct slice scope)
{
    return cell_tag(hash_pair(slots->hash_key, name, scope));
}

/* In one order for all processes: what is known of an operation rests on it. */
static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static void store(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static uint32_t count_in(uint64_t word)
{
    return (uint32_t)(word & SLOTS_COUNT_MAX);
}

static uint32_t lane_in(uint64_t word)
{
    return (uint32_t)(word >> COUNT_BITS) & LANE_MASK;
}

static uint32_t number_in(uint64_t word)
{
    return (uint32_t)(word >> (COUNT_BITS + LANE_BITS));
}

static uint64_t word_of(uint32_t count, uint32_t lane, uint64_t number)
{
    assert(count <= SLOTS_COUNT_MAX && lane < SLOTS_LANES_MAX);
    return (uint64_t)(uint32_t)number << (COUNT_BITS + LANE_BITS) | (uint64_t)lane << COUNT_BITS |
           count;
}

/* Before a word is overwritten: whoever wrote it is told that it had. */
static void acknowledge(const struct slots *slots, uint64_t word)
{
    uint64_t *operation = &slots->lanes[lane_in(word)].operation;
    uint64_t seen = load(operation);

    if (seen != 0 && (seen & OPERATION_DONE) == 0 && (uint32_t)(seen >> 1) == number_in(word))
        __atomic_compare_exchange_n(operation, &seen, seen | OPERATION_DONE, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* For cell_table_claim(): a count of none, whose writer is told as above. */
static bool may_reuse(uint64_t word, const void *data)
{
    if (count_in(word) > 0)
        return false;
    acknowledge(data, word);
    return true;
}

static uint64_t begin(const struct slots *slots, uint64_t tag, uint32_t subject)
{
    struct slots_lane *lane = &slots->lanes[slots->lane];
    uint64_t number = lane->number + 1;

    assert(load(&lane->operation) == 0);
    __atomic_store_n(&lane->number, number, __ATOMIC_SEQ_CST);
    __atomic_store_n(&lane->tag, tag, __ATOMIC_SEQ_CST);
    __atomic_store_n(&lane->subject, subject, __ATOMIC_SEQ_CST);
    store(&lane->operation, number << 1);
    return number;
}

static void finish(const struct slots *slots)
{
    store(&slots->lanes[slots->lane].operation, 0);
}

static enum slots_outcome count_up(const struct slots *slots, uint64_t tag, uint32_t limit,
                                   uint64_t number, uint32_t *used)
{
    for (int i = 0; i < CELL_ATTEMPTS_MAX; i++) {
        struct cell_seen seen;
        if (!cell_table_claim(&slots->cells, tag, may_reuse, slots, &seen))
            return SLOTS_FULL;
        *used = cell_is_candidate(&seen) ? 0 : count_in(seen.word);
        if (*used >= limit)
            return SLOTS_DENIED;
        if (!cell_is_candidate(&seen))
            acknowledge(slots, seen.word);
        if (cell_swap(&seen, word_of(*used + 1, slots->lane, number))) {
            ++*used;
            return SLOTS_TAKEN;
        }
    }
    return SLOTS_FULL;
}

/* A key that is held has a count, which nobody takes the place of: it is found. */
static void count_down(const struct slots *slots, uint64_t tag, uint64_t number)
{
    struct cell_seen seen;

    do {
        bool is_found = cell_table_find(&slots->cells, tag, &seen);
        assert(is_found && count_in(seen.word) > 0);
        acknowledge(slots, seen.word);
    } while (!cell_swap(&seen, word_of(count_in(seen.word) - 1, slots->lane, number)));
}

/* A free entry of the lane's list; false when it is full. */
static bool take_entry(struct slots *slots, uint32_t *entry)
{
    struct slots_lane *lane = &slots->lanes[slots->lane];

    if (slots->returned_count > 0) {
        *entry = slots->returned[--slots->returned_count];
        return true;
    }
    if (slots->fresh == SLOTS_HELD_MAX)
        return false;
    *entry = slots->fresh++;
    if (slots->fresh > lane->entries)
        __atomic_store_n(&lane->entries, slots->fresh, __ATOMIC_SEQ_CST);
    return true;
}

static void return_entry(struct slots *slots, uint32_t entry)
{
    if (slots->returned == NULL)
        slots->returned = mem_zeroed_array(SLOTS_HELD_MAX, sizeof(uint32_t));
    slots->returned[slots->returned_count++] = entry;
}

enum slots_outcome slots_take(struct slots *slots, uint64_t key, uint32_t limit, uint32_t *held,
                              uint32_t *used)
{
    assert(key != 0 && limit > 0 && limit <= SLOTS_COUNT_MAX);
    *used = 0;
    if (!take_entry(slots, held))
        return SLOTS_FULL;
    uint64_t number = begin(slots, key, *held << 1);
    enum slots_outcome outcome = count_up(slots, key, limit, number, used);
    if (outcome == SLOTS_TAKEN)
        store(&slots->lanes[slots->lane].held[*held], key);
    finish(slots);
    if (outcome != SLOTS_TAKEN)
        return_entry(slots, *held);
    return outcome;
}

static void give(const struct slots *slots, uint32_t held)
{
    uint64_t *entry = &slots->lanes[slots->lane].held[held];
    uint64_t tag = load(entry);

    assert(tag != 0);
    uint64_t number = begin(slots, tag, held << 1 | SUBJECT_GIVES);
    count_down(slots, tag, number);
    store(entry, 0);
    finish(slots);
}

void slots_give(struct slots *slots, uint32_t held)
{
    assert(held < slots->fresh);
    give(slots, held);
    return_entry(slots, held);
}

uint32_t slots_used(const struct slots *slots, uint64_t key)
{
    struct cell_seen seen;
    return cell_table_find(&slots->cells, key, &seen) ? count_in(seen.word) : 0;
}

/*
 * Whether the operation that a dead worker had begun was done. The word is read first: who
 * overwrites it has acknowledged it before.
 */
static bool was_done(const struct slots *slots, const struct slots_lane *lane, uint32_t number)
{
    struct cell_seen seen;
    bool is_last = cell_table_find(&slots->cells, lane->tag, &seen) &&
                   &slots->lanes[lane_in(seen.word)] == lane && number_in(seen.word) == number;

    return is_last || (load(&lane->operation) & OPERATION_DONE) != 0;
}

/* Makes the list true, whatever was under way. */
static void settle(const struct slots *slots, struct slots_lane *lane)
{
    uint64_t operation = load(&lane->operation);
    if (operation == 0)
        return;
    bool gives = (lane->subject & SUBJECT_GIVES) != 0;
    bool is_held = was_done(slots, lane, (uint32_t)(operation >> 1)) != gives;
    store(&lane->held[lane->subject >> 1], is_held ? lane->tag : 0);
    store(&lane->operation, 0);
}

void slots_forget_lane(const struct slots *slots, uint32_t lane)
{
    struct slots dead = *slots;
    struct slots_lane *its = &slots->lanes[lane];

    assert(lane < slots->lane_count);
    dead.lane = lane;
    settle(slots, its);
    for (uint32_t i = 0; i < its->entries && i < SLOTS_HELD_MAX; i++) {
        if (load(&its->held[i]) != 0)
            give(&dead, i);
    }
    if (its->entries > 0)
        __atomic_store_n(&its->entries, 0, __ATOMIC_SEQ_CST);
}

uint64_t slots_refused(const struct slots *slots)
{
    return cell_table_refused(&slots->cells);
}
