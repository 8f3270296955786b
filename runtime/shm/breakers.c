/*
 * breakers — the states of circuit breakers, and what they have seen, in words of shared memory.
 *
 * Bits of a state: 1 and 0 the state, 11 to 2 probes let through, 21 to 12 probes that went well,
 * 63 to 22 until when, in milliseconds (for 139 years since the epoch): until requests are refused
 * while it is open, until other probes may take the place of those that gave no verdict while it is
 * half open. That time also tells one episode from the next.
 *
 * Bits of a piece of the window: 21 to 0 which piece of time it is of, then 14 each for requests,
 * failed ones and slow ones. A piece that is full is halved: shares stay what they are.
 */
#include "shm/breakers.h"

#include <assert.h>
#include <string.h>

#define LAYOUT             1
#define NAME_BYTES_AVERAGE 64

#define PROBES_BITS 10
#define PROBES_MASK ((1U << PROBES_BITS) - 1)
#define PIECE_BITS  22
#define PIECE_MASK  ((1U << PIECE_BITS) - 1)
#define COUNT_BITS  14
#define COUNT_MAX   ((1U << COUNT_BITS) - 1)

_Static_assert(BREAKER_PROBES_MAX <= PROBES_MASK, "probes are counted in bits of the state");

struct breaker_words {
    uint64_t state;
    uint64_t pieces[BREAKER_BUCKETS];
    uint64_t opened, refused;
    uint64_t unused[5]; /* no two breakers in one cache line */
};
_Static_assert(sizeof(struct breaker_words) % 128 == 0, "breakers begin at cache lines");

struct standing {
    enum breaker_state state;
    uint32_t sent, well; /* probes */
    uint64_t until_ms;
};

struct tally {
    uint32_t piece, requests, failed, slow;
};

static struct name_table_limits names_limits(void)
{
    return (struct name_table_limits){.names = BREAKERS_MAX + 1,
                                      .text_bytes = (size_t)BREAKERS_MAX * NAME_BYTES_AVERAGE};
}

static size_t words_bytes(void)
{
    return (BREAKERS_MAX + 1) * sizeof(struct breaker_words);
}

size_t breakers_bytes(void)
{
    struct name_table_limits limits = names_limits();
    size_t bytes = words_bytes() + name_table_bytes(&limits);
    return (bytes + SEGMENT_PAGE_BYTES - 1) / SEGMENT_PAGE_BYTES * SEGMENT_PAGE_BYTES;
}

bool breakers_init(struct breakers *breakers, struct segment *segment, const char *name)
{
    struct name_table_limits limits = names_limits();
    char *memory = segment_allot(segment, name, LAYOUT, breakers_bytes());

    if (memory == NULL)
        return false;
    breakers->words = (struct breaker_words *)(void *)memory;
    return name_table_init(&breakers->names, memory + words_bytes(), &limits,
                           segment_hash_key(segment));
}

uint32_t breaker_number(const struct breakers *breakers, struct slice name)
{
    return name_table_intern(&breakers->names, 0, name, SLICE_NONE);
}

/* ---- words ---- */

static struct standing standing_of(uint64_t word)
{
    return (struct standing){
        .state = (enum breaker_state)(word & 3),
        .sent = (uint32_t)(word >> 2) & PROBES_MASK,
        .well = (uint32_t)(word >> (2 + PROBES_BITS)) & PROBES_MASK,
        .until_ms = word >> (2 + 2 * PROBES_BITS),
    };
}

static uint64_t word_of(const struct standing *standing)
{
    return (uint64_t)standing->state | (uint64_t)standing->sent << 2 |
           (uint64_t)standing->well << (2 + PROBES_BITS) |
           standing->until_ms << (2 + 2 * PROBES_BITS);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through both. */
static bool swap(uint64_t *word, uint64_t *seen, uint64_t wanted)
{
    return __atomic_compare_exchange_n(word, seen, wanted, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static struct tally tally_of(uint64_t word)
{
    return (struct tally){
        .piece = (uint32_t)word & PIECE_MASK,
        .requests = (uint32_t)(word >> PIECE_BITS) & COUNT_MAX,
        .failed = (uint32_t)(word >> (PIECE_BITS + COUNT_BITS)) & COUNT_MAX,
        .slow = (uint32_t)(word >> (PIECE_BITS + 2 * COUNT_BITS)) & COUNT_MAX,
    };
}

static uint64_t word_of_tally(const struct tally *tally)
{
    return (uint64_t)tally->piece | (uint64_t)tally->requests << PIECE_BITS |
           (uint64_t)tally->failed << (PIECE_BITS + COUNT_BITS) |
           (uint64_t)tally->slow << (PIECE_BITS + 2 * COUNT_BITS);
}

/* ---- the window ---- */

static uint64_t piece_number(const struct breaker_options *options, uint64_t now_ms)
{
    return now_ms / (options->window_ms / BREAKER_BUCKETS);
}

static void forget_window(struct breaker_words *words)
{
    for (unsigned i = 0; i < BREAKER_BUCKETS; i++)
        __atomic_store_n(&words->pieces[i], 0, __ATOMIC_RELEASE);
}

static bool has_failed(enum breaker_outcome outcome)
{
    return outcome == BREAKER_FAILED || outcome == BREAKER_FAILED_SLOWLY;
}

static bool was_slow(enum breaker_outcome outcome)
{
    return outcome == BREAKER_WAS_SLOW || outcome == BREAKER_FAILED_SLOWLY;
}

static void count(struct breaker_words *words, uint64_t number, enum breaker_outcome outcome)
{
    uint64_t *word = &words->pieces[number % BREAKER_BUCKETS];
    uint64_t seen = load(word);
    struct tally tally;

    do {
        tally = tally_of(seen);
        if (tally.piece != (number & PIECE_MASK))
            tally = (struct tally){.piece = (uint32_t)number & PIECE_MASK};
        if (tally.requests == COUNT_MAX) {
            tally.requests /= 2;
            tally.failed /= 2;
            tally.slow /= 2;
        }
        tally.requests++;
        tally.failed += has_failed(outcome);
        tally.slow += was_slow(outcome);
    } while (!swap(word, &seen, word_of_tally(&tally)));
}

/* Whether what was seen in the window asks for it to be opened. */
static bool is_too_much(const struct breaker_words *words, const struct breaker_options *options,
                        uint64_t number)
{
    struct tally sum = {.piece = 0};

    for (unsigned i = 0; i < BREAKER_BUCKETS; i++) {
        struct tally tally = tally_of(load(&words->pieces[i]));
        if (((number - tally.piece) & PIECE_MASK) >= BREAKER_BUCKETS)
            continue;
        sum.requests += tally.requests;
        sum.failed += tally.failed;
        sum.slow += tally.slow;
    }
    return sum.requests >= options->minimum &&
           (sum.failed >= options->failed_share * sum.requests ||
            sum.slow >= options->slow_share * sum.requests);
}

/* ---- admission ---- */

/* Until when is told by a clock that may have been set back since: that long nobody waits. */
static bool is_over(const struct standing *standing, const struct breaker_options *options,
                    uint64_t now_ms)
{
    return now_ms >= standing->until_ms || standing->until_ms - now_ms > options->open_ms;
}

/* The first probe, or one in the place of others that gave no verdict. */
static struct standing probing_from(struct standing standing, const struct breaker_options *options,
                                    uint64_t now_ms)
{
    uint32_t well = standing.state == BREAKER_HALF_OPEN ? standing.well : 0;

    return (struct standing){.state = BREAKER_HALF_OPEN,
                             .sent = well + 1,
                             .well = well,
                             .until_ms = now_ms + options->open_ms};
}

static struct breaker_pass refusal(struct breaker_words *words, const struct standing *standing,
                                   uint64_t now_ms)
{
    __atomic_fetch_add(&words->refused, 1, __ATOMIC_RELAXED);
    return (struct breaker_pass){.is_refused = true,
                                 .retry_after_ms = (uint32_t)(standing->until_ms - now_ms)};
}

struct breaker_pass breaker_admit(const struct breakers *breakers, uint32_t number,
                                  const struct breaker_options *options, uint64_t now_ms)
{
    struct breaker_words *words = &breakers->words[number];
    uint64_t seen = load(&words->state), episode;
    struct standing standing;

    assert(number <= BREAKERS_MAX && options->probes > 0);
    if (number == NAME_NONE)
        return (struct breaker_pass){.number = number};
    do {
        standing = standing_of(seen);
        if (standing.state == BREAKER_CLOSED)
            return (struct breaker_pass){.number = number};
        /* Not that of a later opening: then the state is another one, too, and is read again. */
        episode = load(&words->opened);
        if (is_over(&standing, options, now_ms))
            standing = probing_from(standing, options, now_ms);
        else if (standing.state == BREAKER_HALF_OPEN && standing.sent < options->probes)
            standing.sent++;
        else
            return refusal(words, &standing, now_ms);
    } while (!swap(&words->state, &seen, word_of(&standing)));
    return (struct breaker_pass){
        .number = number, .is_probe = true, .episode = episode, .until_ms = standing.until_ms};
}

/* ---- reports ---- */

static enum breaker_change open_now(struct breaker_words *words, uint64_t *seen,
                                    const struct breaker_options *options, uint64_t now_ms)
{
    struct standing open = {.state = BREAKER_OPEN, .until_ms = now_ms + options->open_ms};

    if (!swap(&words->state, seen, word_of(&open)))
        return BREAKER_UNCHANGED; /* somebody else did, or has probed meanwhile */
    forget_window(words);
    __atomic_fetch_add(&words->opened, 1, __ATOMIC_RELAXED);
    return BREAKER_OPENED;
}

/* Whether a probe that went so opens it again. */
static bool is_bad(const struct breaker_options *options, enum breaker_outcome outcome)
{
    return (has_failed(outcome) && options->failed_share <= 1) ||
           (was_slow(outcome) && options->slow_share <= 1);
}

/* What it is after a probe that is not bad. */
static struct standing after_probe(struct standing standing, const struct breaker_options *options,
                                   const struct breaker_pass *pass, enum breaker_outcome outcome)
{
    if (outcome == BREAKER_UNKNOWN)
        standing.sent -= standing.until_ms == pass->until_ms && standing.sent > standing.well;
    else if (++standing.well >= options->probes)
        return (struct standing){.state = BREAKER_CLOSED};
    return standing;
}

static enum breaker_change report_probe(struct breaker_words *words,
                                        const struct breaker_options *options,
                                        const struct breaker_pass *pass,
                                        enum breaker_outcome outcome, uint64_t now_ms)
{
    uint64_t seen = load(&words->state);
    struct standing standing = standing_of(seen), next;
    bool is_settled = false;

    while (!is_settled && standing.state == BREAKER_HALF_OPEN &&
           load(&words->opened) == pass->episode) {
        if (is_bad(options, outcome)) {
            if (open_now(words, &seen, options, now_ms) == BREAKER_OPENED)
                return BREAKER_OPENED;
        } else {
            next = after_probe(standing, options, pass, outcome);
            is_settled = swap(&words->state, &seen, word_of(&next));
        }
        standing = standing_of(seen);
    }
    return is_settled && next.state == BREAKER_CLOSED ? BREAKER_CLOSED_AGAIN : BREAKER_UNCHANGED;
}

enum breaker_change breaker_report(const struct breakers *breakers,
                                   const struct breaker_options *options,
                                   const struct breaker_pass *pass, enum breaker_outcome outcome,
                                   uint64_t now_ms)
{
    struct breaker_words *words = &breakers->words[pass->number];

    assert(pass->number <= BREAKERS_MAX && !pass->is_refused);
    assert(options->window_ms >= BREAKER_BUCKETS);
    if (pass->number == NAME_NONE)
        return BREAKER_UNCHANGED;
    if (pass->is_probe)
        return report_probe(words, options, pass, outcome, now_ms);
    uint64_t seen = load(&words->state), piece = piece_number(options, now_ms);
    if (outcome == BREAKER_UNKNOWN || standing_of(seen).state != BREAKER_CLOSED)
        return BREAKER_UNCHANGED;
    count(words, piece, outcome);
    if (outcome == BREAKER_WENT_WELL || !is_too_much(words, options, piece))
        return BREAKER_UNCHANGED;
    return open_now(words, &seen, options, now_ms);
}

/* ---- for people ---- */

bool breaker_reset(const struct breakers *breakers, struct slice name)
{
    uint32_t number = name_table_find(&breakers->names, 0, name, SLICE_NONE);

    if (number == NAME_NONE)
        return false;
    forget_window(&breakers->words[number]);
    __atomic_store_n(&breakers->words[number].state, 0, __ATOMIC_RELEASE);
    return true;
}

static void view_words(const struct breaker_words *words, struct breaker_view *view)
{
    view->state = standing_of(load(&words->state)).state;
    view->opened = load(&words->opened);
    view->refused = load(&words->refused);
}

void breaker_view(const struct breakers *breakers, uint32_t number, struct breaker_view *view)
{
    assert(number <= BREAKERS_MAX);
    *view = (struct breaker_view){.name = SLICE_NONE};
    view_words(&breakers->words[number], view);
}

bool breakers_next(const struct breakers *breakers, size_t *cursor, struct breaker_view *view)
{
    struct name_view name;

    if (!name_table_next(&breakers->names, cursor, &name))
        return false;
    *view = (struct breaker_view){.name = name.name};
    view_words(&breakers->words[name.number], view);
    return true;
}
