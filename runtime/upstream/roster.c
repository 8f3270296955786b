/*
 * roster — rows that are in use, found by name, and the words that change.
 */
#include "upstream/roster.h"

#include <string.h>

#include "base/log.h"
#include "upstream/ejection.h"

/* Longer names are not compared letter by letter. */
#define NEAREST_BYTES_MAX 128

/* By which operators name them. */
static const char *const NAMES[] = {
    [ROSTER_DRAIN] = "drain",   [ROSTER_DISABLE] = "disable", [ROSTER_ENABLE] = "enable",
    [ROSTER_WEIGHT] = "weight", [ROSTER_RESET] = "reset",     [ROSTER_FIND] = "find",
};

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* The next row with a target, or of an upstream, that some worker has. */
static bool next_in_use(const struct target_board *board, uint32_t *cursor,
                        struct target_name *name)
{
    while (target_rows_next(&board->rows, cursor, name)) {
        if (series_sum(&board->active, name->row, TARGET_BOARD_USERS) > 0)
            return true;
    }
    return false;
}

bool roster_next(const struct target_board *board, uint32_t *cursor, struct roster_row *row)
{
    struct target_name name;

    do {
        if (!next_in_use(board, cursor, &name))
            return false;
    } while (name.target.length == 0);
    const struct target_words *words = target_board_words(board, name.row);
    *row = (struct roster_row){
        .upstream = name.upstream,
        .url = name.target,
        .overlay = overlay_of(load(&words->overlay)),
        .probes = probe_verdict_state(load(&words->probes)),
        .is_set_aside = ejection_is_active(load(&words->ejection)),
        .active = series_sum(&board->active, name.row, TARGET_BOARD_ACTIVE),
    };
    return true;
}

bool roster_next_upstream(const struct target_board *board, uint32_t *cursor,
                          struct slice *upstream)
{
    struct target_name name;

    do {
        if (!next_in_use(board, cursor, &name))
            return false;
    } while (name.target.length > 0);
    *upstream = name.upstream;
    return true;
}

static struct retry_budget_state budget_of(const struct target_board *board, uint32_t row,
                                           uint32_t word, uint64_t *taken, double now)
{
    struct retry_budget budget = {.home = {.lanes = &board->active, .row = row, .word = word}};

    budget.home.taken = taken;
    return retry_budget_read(&budget, now);
}

bool roster_budgets_of(const struct target_board *board, struct slice upstream, double now,
                       struct roster_budgets *budgets)
{
    uint32_t row = target_board_find(board, upstream, SLICE_NONE);

    if (row == NAME_NONE)
        return false;
    struct target_words *words = target_board_words(board, row);
    *budgets = (struct roster_budgets){
        .retries = budget_of(board, row, TARGET_BOARD_RETRIABLE, words->retries, now),
        .hedges = budget_of(board, row, TARGET_BOARD_HEDGEABLE, words->hedges, now),
        .retries_refused = load(&words->retries_refused),
    };
    target_board_release(board, row);
    return true;
}

static struct slice without_scheme(struct slice url)
{
    for (size_t i = 0; i + 1 < url.length; i++) {
        if (url.start[i] == '/' && url.start[i + 1] == '/')
            return slice_after(url, i + 2);
    }
    return url;
}

static bool names_target(struct slice url, struct slice said)
{
    if (said.length > 1 && said.start[said.length - 1] == '/')
        said.length--;
    return slice_equals(url, said) || slice_equals(without_scheme(url), said);
}

/* How many letters have to be changed, put in or taken out (Levenshtein). */
static size_t distance(struct slice one, struct slice other)
{
    size_t row[NEAREST_BYTES_MAX + 1];

    if (one.length > NEAREST_BYTES_MAX || other.length > NEAREST_BYTES_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= other.length; j++)
        row[j] = j;
    for (size_t i = 0; i < one.length; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < other.length; j++) {
            size_t best = diagonal + (one.start[i] != other.start[j]);
            diagonal = row[j + 1];
            best = best < diagonal + 1 ? best : diagonal + 1;
            row[j + 1] = best < row[j] + 1 ? best : row[j] + 1;
        }
    }
    return row[other.length];
}

/* The name is a copy: its row may be another's before it is read. */
struct nearest {
    struct slice wanted;
    size_t distance;
    size_t length;
    char text[NEAREST_BYTES_MAX];
};

static void consider(struct nearest *nearest, struct slice name)
{
    size_t far = distance(nearest->wanted, name);

    if (far <= 1 + nearest->wanted.length / 4 && far < nearest->distance) {
        nearest->distance = far;
        nearest->length = name.length;
        memcpy(nearest->text, name.start, name.length);
    }
}

/* Until the next call in this process. */
static struct slice keep(const struct nearest *nearest)
{
    static char text[NEAREST_BYTES_MAX];

    memcpy(text, nearest->text, nearest->length);
    return nearest->length > 0 ? slice_of(text, nearest->length) : SLICE_NONE;
}

/* The row of the target, held; else 0, with what is wrong. */
static uint32_t find(const struct target_board *board, const struct roster_change *change,
                     enum roster_outcome *outcome, struct slice *near)
{
    struct nearest upstream = {.wanted = change->upstream, .distance = SIZE_MAX};
    struct nearest target = {.wanted = change->target, .distance = SIZE_MAX};
    struct target_name name;
    uint32_t cursor = 0;

    *outcome = ROSTER_NO_UPSTREAM;
    while (next_in_use(board, &cursor, &name)) {
        consider(&upstream, name.upstream);
        if (!slice_equals(name.upstream, change->upstream))
            continue;
        *outcome = ROSTER_NO_TARGET;
        if (name.target.length == 0)
            continue;
        if (names_target(name.target, change->target))
            return cursor;
        consider(&target, name.target);
        consider(&target, without_scheme(name.target));
    }
    *near = keep(*outcome == ROSTER_NO_UPSTREAM ? &upstream : &target);
    return NAME_NONE;
}

static struct overlay changed(struct overlay overlay, const struct roster_change *change)
{
    switch (change->action) {
    case ROSTER_DRAIN:
        overlay.mode = OVERLAY_DRAIN;
        break;
    case ROSTER_DISABLE:
        overlay.mode = OVERLAY_DISABLE;
        break;
    case ROSTER_ENABLE:
        overlay.mode = OVERLAY_NONE;
        break;
    case ROSTER_WEIGHT:
        overlay.has_weight = true;
        overlay.weight = change->weight;
        break;
    case ROSTER_RESET:
        return (struct overlay){.mode = OVERLAY_NONE};
    case ROSTER_FIND:
        break;
    }
    return overlay;
}

static void apply(const struct target_board *board, uint32_t row,
                  const struct roster_change *change)
{
    struct target_words *words = target_board_words(board, row);
    uint32_t upstream = target_board_find(board, change->upstream, SLICE_NONE);
    uint64_t seen = load(&words->overlay), next;
    struct overlay after;

    do {
        after = changed(overlay_of(seen), change);
        next = overlay_word(&after);
    } while (!__atomic_compare_exchange_n(&words->overlay, &seen, next, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    log_write(LOG_INFO, "upstream \"%.*s\": %.*s: %s", SLICE_FORMAT(change->upstream),
              SLICE_FORMAT(change->target), NAMES[change->action]);
    bool was_out = overlay_of(seen).mode != OVERLAY_NONE;
    if (was_out && after.mode == OVERLAY_NONE)
        __atomic_store_n(&words->joined, (uint64_t)(change->now * 1000), __ATOMIC_RELAXED);
    __atomic_fetch_add(&target_board_words(board, upstream)->changes, 1, __ATOMIC_RELEASE);
    target_board_release(board, upstream);
}

enum roster_outcome roster_apply(const struct target_board *board,
                                 const struct roster_change *change, struct slice *nearest)
{
    enum roster_outcome outcome;
    uint32_t row = find(board, change, &outcome, nearest);

    if (row == NAME_NONE)
        return outcome;
    if (change->action != ROSTER_FIND)
        apply(board, row, change);
    target_board_release(board, row);
    return ROSTER_DONE;
}

bool roster_action_of(struct slice name, enum roster_action *action)
{
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (!slice_equals(name, slice_from_string(NAMES[i])))
            continue;
        *action = (enum roster_action)i;
        return true;
    }
    return false;
}
