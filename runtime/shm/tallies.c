/*
 * tallies — a hash table of words that are never given back.
 */
#include "shm/tallies.h"

#include <assert.h>

#define LAYOUT       1
#define NUMBER_SHIFT 32
#define PROBES_MAX   64

size_t tallies_bytes(void)
{
    return (TALLIES_MAX + 1) * sizeof(uint64_t);
}

bool tallies_init(struct tallies *tallies, struct segment *segment, const char *name)
{
    tallies->words = segment_allot(segment, name, LAYOUT, tallies_bytes());
    return tallies->words != NULL;
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* One more; false: the word is another number's. */
static bool count_in(uint64_t *word, uint32_t number)
{
    uint64_t seen = load(word), next;

    do {
        if (seen != 0 && seen >> NUMBER_SHIFT != number)
            return false;
        next = (uint64_t)number << NUMBER_SHIFT | (uint32_t)(seen + 1);
    } while (
        !__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

static uint64_t *word_at(const struct tallies *tallies, uint32_t number, unsigned probe)
{
    return &tallies->words[(number + probe) % TALLIES_MAX];
}

void tallies_count(const struct tallies *tallies, uint32_t number)
{
    assert(number != 0);
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        if (count_in(word_at(tallies, number, i), number))
            return;
    }
    __atomic_fetch_add(&tallies->words[TALLIES_MAX], 1, __ATOMIC_RELAXED);
}

uint32_t tallies_read(const struct tallies *tallies, uint32_t number)
{
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        uint64_t seen = load(word_at(tallies, number, i));
        if (seen >> NUMBER_SHIFT == number)
            return (uint32_t)seen;
        if (seen == 0)
            break;
    }
    return 0;
}

uint64_t tallies_sum(const struct tallies *tallies)
{
    uint64_t sum = load(&tallies->words[TALLIES_MAX]);

    for (unsigned i = 0; i < TALLIES_MAX; i++)
        sum += (uint32_t)load(&tallies->words[i]);
    return sum;
}
