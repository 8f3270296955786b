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

static unsigned place_at(uint32_t number, unsigned probe)
{
    return (number + probe) % TALLIES_MAX;
}

void tallies_count(const struct tallies *tallies, uint32_t number)
{
    assert(number != 0);
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        if (count_in(&tallies->words[place_at(number, i)], number))
            return;
    }
    __atomic_fetch_add(&tallies->words[TALLIES_MAX], 1, __ATOMIC_RELAXED);
}

/* Its word, and what is in it; false: it has none. */
static bool find(const struct tallies *tallies, uint32_t number, unsigned *place, uint64_t *word)
{
    for (unsigned i = 0; i < PROBES_MAX; i++) {
        *place = place_at(number, i);
        *word = load(&tallies->words[*place]);
        if (*word >> NUMBER_SHIFT == number)
            return true;
        if (*word == 0)
            break;
    }
    return false;
}

uint32_t tallies_read(const struct tallies *tallies, uint32_t number)
{
    unsigned place;
    uint64_t word;

    return find(tallies, number, &place, &word) ? (uint32_t)word : 0;
}

void tallies_name(const struct tallies *tallies, uint32_t number, struct tallies_named *named)
{
    unsigned place;
    uint64_t word;

    if (find(tallies, number, &place, &word))
        named->words[place / 64] |= 1ULL << place % 64;
}

uint64_t tallies_rest(const struct tallies *tallies, const struct tallies_named *named)
{
    uint64_t sum = load(&tallies->words[TALLIES_MAX]);

    for (unsigned i = 0; i < TALLIES_MAX; i++) {
        if ((named->words[i / 64] >> i % 64 & 1) == 0)
            sum += (uint32_t)load(&tallies->words[i]);
    }
    return sum;
}
