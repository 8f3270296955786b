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

/* Who sees a number's word sees those that it did not find free. */
static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
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
        !__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
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

void tallies_look(const struct tallies *tallies, struct tallies_seen *seen)
{
    for (unsigned i = 0; i <= TALLIES_MAX; i++)
        seen->words[i] = load(&tallies->words[i]);
}

/* Where its word is now: if it has been seen, that was there. */
void tallies_leave_out(const struct tallies *tallies, uint32_t number, struct tallies_seen *seen)
{
    unsigned place;
    uint64_t word;

    if (find(tallies, number, &place, &word))
        seen->words[place] = 0;
}

uint64_t tallies_rest(const struct tallies_seen *seen)
{
    uint64_t sum = seen->words[TALLIES_MAX];

    for (unsigned i = 0; i < TALLIES_MAX; i++)
        sum += (uint32_t)seen->words[i];
    return sum;
}
