/*
 * outliers — counting in a word that says which window it counts.
 */
#include "upstream/outliers.h"

#define WINDOW_BITS 24
#define COUNT_BITS  20
#define COUNT_MAX   ((1U << COUNT_BITS) - 1)

static uint64_t word_of(uint64_t window, uint64_t answers, uint64_t bad)
{
    return (window & ((1U << WINDOW_BITS) - 1)) | answers << WINDOW_BITS |
           bad << (WINDOW_BITS + COUNT_BITS);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
bool outliers_count(uint64_t *word, bool is_bad, double now, const struct outlier_rules *rules)
{
    uint64_t window = (uint64_t)(now / rules->window_seconds) & ((1U << WINDOW_BITS) - 1);
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);

    for (;;) {
        bool is_same = (seen & ((1U << WINDOW_BITS) - 1)) == window;
        uint64_t answers = is_same ? (seen >> WINDOW_BITS) & COUNT_MAX : 0;
        uint64_t bad = is_same ? seen >> (WINDOW_BITS + COUNT_BITS) : 0;
        if (answers == COUNT_MAX) /* both by half: their share stays */
            answers /= 2, bad /= 2;
        answers++;
        bad += is_bad;
        bool is_outlier = is_bad && answers >= rules->requests_min &&
                          (double)bad >= (double)answers * rules->share;
        uint64_t next = is_outlier ? word_of(window, 0, 0) : word_of(window, answers, bad);
        if (__atomic_compare_exchange_n(word, &seen, next, false, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return is_outlier;
    }
}
