/*
 * target_rows — words of state beside names, and the order in which they are looked at.
 */
#include "shm/target_rows.h"

#include <assert.h>
#include <string.h>

enum state { FREE, CLAIMED, LIVE, LEAVING };

/* The word: 1 to 0 the state, 25 to 2 of the names' hash, 63 to 26 the number of its change. */
#define STATE_MASK     3ULL
#define TAG_MASK       (((1ULL << 24) - 1) << 2)
#define SEQUENCE_SHIFT 26
/* The latest: the number of its change, and above it the row. */
#define LATEST_ROW_SHIFT 38
#define LATEST_MASK      ((1ULL << LATEST_ROW_SHIFT) - 1)

struct row_name {
    uint32_t upstream_length, target_length;
    char text[TARGET_ROW_NAME_BYTES];
};

struct target_rows_shared {
    uint64_t latest;
    uint64_t end;  /* rows from there on never were anybody's */
    uint64_t hand; /* where one is looked for that can be taken */
    uint64_t unused[5];
    uint64_t states[]; /* the names follow */
};

struct wanted {
    uint64_t tag;
    struct slice upstream, target;
};

/* In one order for all processes, as change() and hold(): what is stored and then what is loaded
 * must not change places. */
static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static bool change(uint64_t *word, uint64_t seen, uint64_t next)
{
    return __atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

static enum state state_of(uint64_t word)
{
    return (enum state)(word & STATE_MASK);
}

static uint64_t with_state(uint64_t word, enum state state)
{
    return (word & ~STATE_MASK) | state;
}

/* What no word of that row was before. */
static uint64_t next_word(uint64_t word, uint64_t tag, enum state state)
{
    return ((word >> SEQUENCE_SHIFT) + 1) << SEQUENCE_SHIFT | tag | state;
}

static uint64_t *state_at(const struct target_rows *rows, uint32_t row)
{
    assert(row > 0 && row < rows->lanes.rows);
    return &rows->shared->states[row];
}

static struct row_name *name_at(const struct target_rows *rows, uint32_t row)
{
    return (struct row_name *)(void *)&rows->shared->states[rows->lanes.rows] + row;
}

size_t target_rows_bytes(uint32_t rows)
{
    return sizeof(struct target_rows_shared) + rows * (sizeof(uint64_t) + sizeof(struct row_name));
}

void target_rows_init(struct target_rows *rows, void *memory)
{
    uint64_t nobodys = 0;
    rows->shared = memory;
    __atomic_compare_exchange_n(&rows->shared->end, &nobodys, 1, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

uint32_t target_rows_end(const struct target_rows *rows)
{
    return (uint32_t)load(&rows->shared->end);
}

static uint64_t *holders_in(const struct target_rows *rows, uint32_t row)
{
    return series_mine(&rows->lanes, row) + rows->holders;
}

/* Before the state is looked at. */
static void hold(const struct target_rows *rows, uint32_t row)
{
    uint64_t *word = holders_in(rows, row);
    __atomic_store_n(word, *word + 1, __ATOMIC_SEQ_CST);
}

void target_rows_release(const struct target_rows *rows, uint32_t row)
{
    if (row == NAME_NONE)
        return;
    uint64_t *word = holders_in(rows, row);
    uint64_t held = __atomic_load_n(word, __ATOMIC_RELAXED);
    assert(held > 0);
    __atomic_store_n(word, held - 1, __ATOMIC_RELEASE);
}

/* Holds a row that has a name, whichever that is. */
static bool try_hold(const struct target_rows *rows, uint32_t row)
{
    uint64_t *word = state_at(rows, row);

    hold(rows, row);
    for (;;) { /* each round another process has changed the state */
        uint64_t seen = load(word);
        if (state_of(seen) == LIVE)
            return true;
        if (state_of(seen) != LEAVING)
            break;
        if (change(word, seen, with_state(seen, LIVE)))
            return true;
    }
    target_rows_release(rows, row);
    return false;
}

static struct slice upstream_of(const struct row_name *name)
{
    return slice_of(name->text, name->upstream_length);
}

static struct slice target_of(const struct row_name *name)
{
    return slice_of(name->text + name->upstream_length, name->target_length);
}

static bool is_wanted(const struct row_name *name, const struct wanted *wanted)
{
    return slice_equals(upstream_of(name), wanted->upstream) &&
           slice_equals(target_of(name), wanted->target);
}

/* What was made the latest has a name, though its process may have been killed. Answers which. */
static uint64_t settle_latest(const struct target_rows *rows)
{
    uint64_t latest = load(&rows->shared->latest);
    uint32_t row = (uint32_t)(latest >> LATEST_ROW_SHIFT);

    if (row == NAME_NONE)
        return latest;
    uint64_t *word = state_at(rows, row), seen = load(word);
    if (state_of(seen) == CLAIMED && seen >> SEQUENCE_SHIFT == (latest & LATEST_MASK))
        change(word, seen, with_state(seen, LIVE));
    return latest;
}

/* Held by this lane when found. */
static uint32_t look_for(const struct target_rows *rows, const struct wanted *wanted)
{
    uint32_t end = target_rows_end(rows);

    for (uint32_t row = 1; row < end; row++) {
        uint64_t seen = load(state_at(rows, row));
        if ((seen & TAG_MASK) != wanted->tag || state_of(seen) == FREE ||
            state_of(seen) == CLAIMED || !try_hold(rows, row))
            continue;
        if (is_wanted(name_at(rows, row), wanted))
            return row;
        target_rows_release(rows, row);
    }
    return NAME_NONE;
}

static bool is_held(const struct target_rows *rows, uint32_t row)
{
    const struct series *lanes = &rows->lanes;
    const uint64_t *word = lanes->values + (size_t)row * lanes->words + rows->holders;

    for (uint32_t lane = 0; lane < lanes->lanes; lane++) {
        if (series_has(lanes, lane) && load(word + lane * lanes->lane_words) != 0)
            return true;
    }
    return false;
}

static bool is_needed(const struct target_rows *rows, uint32_t row)
{
    return is_held(rows, row) || load(&rows->words[(size_t)row * rows->width + rows->keeper]) != 0;
}

/* False: it is somebody's. */
static bool make_free(const struct target_rows *rows, uint32_t row)
{
    uint64_t *word = state_at(rows, row), seen = load(word);

    if (state_of(seen) == FREE)
        return true;
    if (is_needed(rows, row))
        return false;
    if (state_of(seen) != CLAIMED) { /* who claims holds it before */
        uint64_t marked = next_word(seen, seen & TAG_MASK, LEAVING);
        if (!change(word, seen, marked))
            return false;
        seen = marked;
    }
    if (!is_needed(rows, row))
        return change(word, seen, next_word(seen, 0, FREE));
    if (state_of(seen) == LEAVING)
        change(word, seen, with_state(seen, LIVE));
    return false;
}

static bool claim(const struct target_rows *rows, uint32_t row, const struct wanted *wanted)
{
    uint64_t *word = state_at(rows, row);

    hold(rows, row);
    uint64_t seen = load(word);
    if (state_of(seen) == FREE && change(word, seen, next_word(seen, wanted->tag, CLAIMED)))
        return true;
    target_rows_release(rows, row);
    return false;
}

/* One that never was anybody's; 0 when there is none. */
static uint32_t take_unused(const struct target_rows *rows)
{
    uint64_t end = load(&rows->shared->end);

    while (end < rows->lanes.rows) {
        if (__atomic_compare_exchange_n(&rows->shared->end, &end, end + 1, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return (uint32_t)end;
    }
    return NAME_NONE;
}

/* A row to be filled, held by this lane; 0 when all are somebody's. */
static uint32_t claim_any(const struct target_rows *rows, const struct wanted *wanted)
{
    uint32_t unused = take_unused(rows), count = rows->lanes.rows - 1;

    if (unused != NAME_NONE && claim(rows, unused, wanted))
        return unused;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hand = __atomic_fetch_add(&rows->shared->hand, 1, __ATOMIC_RELAXED);
        uint32_t row = (uint32_t)(hand % count) + 1;
        if (make_free(rows, row) && claim(rows, row, wanted))
            return row;
    }
    return NAME_NONE;
}

/* Nobody holds it but who fills it, so nobody else writes what was counted. */
static void zero_counts(const struct target_rows *rows, uint32_t row)
{
    const struct series *lanes = &rows->lanes;
    uint64_t *words = lanes->values + (size_t)row * lanes->words;

    for (uint32_t lane = 0; lane < lanes->lanes; lane++) {
        for (uint32_t i = rows->holders + 1; series_has(lanes, lane) && i < lanes->words; i++)
            series_store(words + lane * lanes->lane_words + i, 0);
    }
}

static void fill(const struct target_rows *rows, uint32_t row, const struct wanted *wanted)
{
    struct row_name *name = name_at(rows, row);

    for (uint32_t i = 0; i < rows->width; i++)
        series_store(&rows->words[(size_t)row * rows->width + i], 0);
    zero_counts(rows, row);
    name->upstream_length = (uint32_t)wanted->upstream.length;
    name->target_length = (uint32_t)wanted->target.length;
    memcpy(name->text, wanted->upstream.start, wanted->upstream.length);
    if (wanted->target.length > 0)
        memcpy(name->text + wanted->upstream.length, wanted->target.start, wanted->target.length);
}

/* Not needed: another process was faster. */
static void give_up(const struct target_rows *rows, uint32_t row)
{
    if (row == NAME_NONE)
        return;
    uint64_t seen = load(state_at(rows, row));
    change(state_at(rows, row), seen, next_word(seen, 0, FREE));
    target_rows_release(rows, row);
}

static uint32_t hold_wanted(const struct target_rows *rows, const struct wanted *wanted)
{
    uint32_t mine = NAME_NONE;

    for (;;) { /* each round another process has published a name */
        uint64_t latest = settle_latest(rows);
        uint32_t found = look_for(rows, wanted);
        if (found != NAME_NONE) {
            give_up(rows, mine);
            return found;
        }
        if (mine == NAME_NONE) {
            mine = claim_any(rows, wanted);
            if (mine == NAME_NONE)
                return NAME_NONE;
            fill(rows, mine, wanted);
        }
        uint64_t sequence = load(state_at(rows, mine)) >> SEQUENCE_SHIFT;
        if (change(&rows->shared->latest, latest, (uint64_t)mine << LATEST_ROW_SHIFT | sequence)) {
            settle_latest(rows);
            return mine;
        }
    }
}

static bool fits(struct slice upstream, struct slice target)
{
    return upstream.length > 0 && upstream.length <= TARGET_ROW_NAME_BYTES &&
           target.length <= TARGET_ROW_NAME_BYTES - upstream.length;
}

static struct wanted wanted_of(const struct target_rows *rows, struct slice upstream,
                               struct slice target)
{
    uint64_t hash = hash_pair(rows->hash_key, upstream, target);
    return (struct wanted){hash & TAG_MASK, upstream, target};
}

uint32_t target_rows_hold(const struct target_rows *rows, struct slice upstream,
                          struct slice target)
{
    if (!fits(upstream, target))
        return NAME_NONE;
    const struct wanted wanted = wanted_of(rows, upstream, target);
    return hold_wanted(rows, &wanted);
}

uint32_t target_rows_find(const struct target_rows *rows, struct slice upstream,
                          struct slice target)
{
    if (!fits(upstream, target))
        return NAME_NONE;
    const struct wanted wanted = wanted_of(rows, upstream, target);
    settle_latest(rows);
    return look_for(rows, &wanted);
}

bool target_rows_next(const struct target_rows *rows, uint32_t *cursor, struct target_name *name)
{
    uint32_t row = *cursor, end = target_rows_end(rows);

    target_rows_release(rows, row);
    for (*cursor = NAME_NONE; ++row < end;) {
        if (state_of(load(state_at(rows, row))) == FREE || !try_hold(rows, row))
            continue;
        const struct row_name *at = name_at(rows, row);
        *name = (struct target_name){upstream_of(at), target_of(at), row};
        *cursor = row;
        return true;
    }
    return false;
}
