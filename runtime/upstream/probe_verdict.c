/*
 * probe_verdict — counting what speaks against the state that a target is in.
 */
#include "upstream/probe_verdict.h"

#define COUNT_SHIFT 2
#define COUNT_MAX   0xffffU
#define SINCE_SHIFT 18
#define SINCE_MASK  ((1ULL << 40) - 1)

double probe_verdict_since(uint64_t word)
{
    return (double)((word >> SINCE_SHIFT) & SINCE_MASK) / 1000;
}

static uint64_t word_of(enum probe_state state, unsigned count, uint64_t since_ms)
{
    return (uint64_t)state | (uint64_t)(count < COUNT_MAX ? count : COUNT_MAX) << COUNT_SHIFT |
           (since_ms & SINCE_MASK) << SINCE_SHIFT;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
bool probe_verdict_add(uint64_t *word, bool is_well, unsigned rise, unsigned fall, double now)
{
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    enum probe_state state = probe_verdict_state(seen), said = is_well ? PROBE_UP : PROBE_DOWN;
    unsigned against = ((unsigned)(seen >> COUNT_SHIFT) & COUNT_MAX) + 1;
    uint64_t since_ms = (seen >> SINCE_SHIFT) & SINCE_MASK;
    unsigned needed = state == PROBE_UNKNOWN ? 1 : is_well ? rise : fall;
    bool is_change = state != said && against >= needed;

    if (state == said)
        against = 0;
    if (is_change) {
        against = 0;
        state = said;
        since_ms = (uint64_t)(now * 1000);
    }
    __atomic_store_n(word, word_of(state, against, since_ms), __ATOMIC_RELAXED);
    return is_change;
}
