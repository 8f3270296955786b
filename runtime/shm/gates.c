/*
 * gates — names and counts in a series, and words beside them.
 */
#include "shm/gates.h"

#include <assert.h>

#include "shm/bells.h"

#define LAYOUT             1
#define NAME_BYTES_AVERAGE 64
#define WAITER_BITS        64

static struct series_limits limits_of(uint32_t lanes)
{
    return (struct series_limits){.lanes = lanes,
                                  .rows = GATES_MAX + 1,
                                  .words = GATE_WORDS,
                                  .text_bytes = (size_t)GATES_MAX * NAME_BYTES_AVERAGE};
}

static size_t words_bytes(void)
{
    return (GATES_MAX + 1) * sizeof(struct gate_words);
}

size_t gates_bytes(uint32_t lanes)
{
    struct series_limits limits = limits_of(lanes);
    return series_bytes(&limits) + words_bytes();
}

bool gates_init(struct gates *gates, struct segment *segment, uint32_t lanes)
{
    struct series_limits limits = limits_of(lanes);
    char *memory = segment_allot(segment, "gates", LAYOUT, words_bytes());

    *gates = (struct gates){.words = (struct gate_words *)(void *)memory, .lanes = lanes};
    return memory != NULL && series_init(&gates->counts, segment, "gates passed", &limits);
}

void gates_clear(struct gates *gates)
{
    bells_destroy(&gates->bells, gates->lanes);
}

void gates_attach(struct gates *gates, uint32_t lane)
{
    gates->lane = lane;
    series_attach(&gates->counts, lane);
}

bool gates_hang_bells(struct gates *gates, uint32_t first, uint32_t count)
{
    assert(first + count <= gates->lanes);
    if (gates->bells == NULL)
        gates->bells = bells_create(gates->lanes);
    return bells_hang(gates->bells, first, count);
}

int gates_bell(const struct gates *gates)
{
    return gates->bells != NULL ? gates->bells[gates->lane] : -1;
}

uint32_t gate_number(const struct gates *gates, struct slice upstream)
{
    return series_row(&gates->counts, 0, upstream, SLICE_NONE);
}

static uint64_t *count_of(const struct gates *gates, uint32_t number, enum gate_word word)
{
    return series_mine(&gates->counts, number) + word;
}

/* Adds one where others see it before the sum of all is read; then there are so many. */
static uint64_t add_one(const struct gates *gates, uint32_t number, enum gate_word word)
{
    series_add(count_of(gates, number, word), 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return series_sum(&gates->counts, number, word);
}

static void take_one(const struct gates *gates, uint32_t number, enum gate_word word)
{
    series_add(count_of(gates, number, word), (uint64_t)-1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static void count(uint64_t *total, uint64_t amount)
{
    __atomic_fetch_add(total, amount, __ATOMIC_RELAXED);
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

bool gate_enter(const struct gates *gates, uint32_t number, const struct gate_options *options,
                uint64_t *active)
{
    *active = add_one(gates, number, GATE_ACTIVE);
    if (options == NULL || number == NAME_NONE ||
        *active <= gate_limit_now(&gates->words[number].limit, options))
        return true;
    if (options->is_report_only) {
        gate_count_limited(gates, number);
        return true;
    }
    take_one(gates, number, GATE_ACTIVE);
    return false;
}

bool gate_leave(const struct gates *gates, uint32_t number)
{
    take_one(gates, number, GATE_ACTIVE);
    return gate_tell(gates, number);
}

void gate_report(const struct gates *gates, uint32_t number, const struct gate_options *options,
                 const struct gate_sample *sample)
{
    struct gate_words *words = &gates->words[number];

    if (number != NAME_NONE)
        gate_limit_learn(&words->limit, &words->window, options, sample);
}

void gate_count_limited(const struct gates *gates, uint32_t number)
{
    count(&gates->words[number].limited, 1);
}

bool gate_queue_join(const struct gates *gates, uint32_t number, uint32_t size)
{
    if (add_one(gates, number, GATE_QUEUED) <= size)
        return true;
    take_one(gates, number, GATE_QUEUED);
    count(&gates->words[number].overflowed, 1);
    return false;
}

void gate_queue_leave(const struct gates *gates, uint32_t number, enum gate_wait how,
                      double seconds)
{
    struct gate_words *words = &gates->words[number];

    take_one(gates, number, GATE_QUEUED);
    if (how == GATE_WAIT_EXPIRED)
        count(&words->expired, 1);
    if (how != GATE_WAIT_ENDED)
        return;
    count(&words->waited, 1);
    count(&words->waited_us, (uint64_t)(seconds * 1e6));
}

static uint64_t own_bit(const struct gates *gates)
{
    return 1ULL << gates->lane % WAITER_BITS;
}

void gate_await(const struct gates *gates, uint32_t number)
{
    uint64_t *waiters = &gates->words[number].waiters;

    if ((load(waiters) & own_bit(gates)) == 0)
        __atomic_fetch_or(waiters, own_bit(gates), __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void gate_forgo(const struct gates *gates, uint32_t number)
{
    uint64_t before =
        __atomic_fetch_and(&gates->words[number].waiters, ~own_bit(gates), __ATOMIC_SEQ_CST);
    if ((before & own_bit(gates)) == 0)
        gate_tell(gates, number);
}

/* The next lane that is to be told, by the number of its bit. */
static uint32_t pick_waiter(struct gate_words *words, uint64_t waiters)
{
    unsigned turn = (unsigned)__atomic_fetch_add(&words->turn, 1, __ATOMIC_RELAXED) % WAITER_BITS;
    uint64_t turned = turn == 0 ? waiters : waiters >> turn | waiters << (WAITER_BITS - turn);

    return ((uint32_t)__builtin_ctzll(turned) + turn) % WAITER_BITS;
}

bool gate_tell(const struct gates *gates, uint32_t number)
{
    struct gate_words *words = &gates->words[number];
    uint64_t waiters = __atomic_load_n(&words->waiters, __ATOMIC_SEQ_CST);

    bool is_own = false;

    if (waiters == 0)
        return false;
    uint32_t lane = pick_waiter(words, waiters);
    __atomic_fetch_and(&words->waiters, ~(1ULL << lane), __ATOMIC_SEQ_CST);
    for (; lane < gates->lanes; lane += WAITER_BITS) {
        if (lane == gates->lane)
            is_own = true;
        else if (gates->bells != NULL)
            bells_ring(gates->bells, lane);
    }
    return is_own;
}

static void view_of(const struct gates *gates, const struct name_view *name, struct gate_view *view)
{
    const struct gate_words *words = &gates->words[name->number];

    *view = (struct gate_view){
        .name = name->name,
        .limit = gate_limit_learnt(&words->limit),
        .usual_seconds = gate_limit_usual(&words->window),
        .recent_seconds = gate_limit_recent(&words->window),
        .active = series_sum(&gates->counts, name->number, GATE_ACTIVE),
        .queued = series_sum(&gates->counts, name->number, GATE_QUEUED),
        .limited = load(&words->limited),
        .waited = load(&words->waited),
        .expired = load(&words->expired),
        .overflowed = load(&words->overflowed),
        .waited_seconds = (double)load(&words->waited_us) / 1e6,
    };
}

bool gates_next(const struct gates *gates, size_t *cursor, struct gate_view *view)
{
    struct name_view name;

    if (!name_table_next(&gates->counts.names, cursor, &name))
        return false;
    view_of(gates, &name, view);
    return true;
}

bool gate_reset(const struct gates *gates, struct slice upstream)
{
    uint32_t number = name_table_find(&gates->counts.names, 0, upstream, SLICE_NONE);

    if (number == NAME_NONE)
        return false;
    gate_limit_forget(&gates->words[number].limit, &gates->words[number].window);
    gate_tell(gates, number);
    return true;
}

void gates_forget_lane(const struct gates *gates, uint32_t lane)
{
    struct series other = gates->counts;
    struct name_view name;
    size_t cursor = 0;

    series_attach(&other, lane);
    while (name_table_next(&other.names, &cursor, &name)) {
        uint64_t *words = series_mine(&other, name.number);
        bool had_some = load(&words[GATE_ACTIVE]) > 0;
        for (int word = 0; word < GATE_WORDS; word++)
            series_store(words + word, 0);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (had_some)
            gate_tell(gates, name.number);
    }
}
