/*
 * retry_budget — words of two half windows that take turns, each with the number of its half.
 */
#include "upstream/retry_budget.h"

#include <assert.h>

#define HALF_SECONDS 5
_Static_assert(2 * HALF_SECONDS == (int)RETRY_BUDGET_SECONDS, "two halves");

/* Of both kinds of words: 63 to 40 the number of the half. Of requests: 39 to 0 how many. */
#define NUMBER_SHIFT  40
#define NUMBER_MASK   ((1ULL << 24) - 1)
#define REQUESTS_MASK ((1ULL << NUMBER_SHIFT) - 1)

/* Of retries: 19 to 0 how many in the half; 36 to 20 how many in the second, and 39 to 37 which one
 * of the half that is. Where they are full they stay so. */
#define TAKEN_MAX       ((1U << 20) - 1)
#define SECOND_SHIFT    20
#define IN_SECOND_MAX   ((1U << 17) - 1)
#define SECOND_NO_SHIFT 37
#define SECOND_NO_MASK  7U

struct taken {
    uint32_t in_half, in_second, second;
};

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static uint64_t half_of(double now)
{
    assert(now >= 0);
    return (uint64_t)(now / HALF_SECONDS);
}

static bool is_of_half(uint64_t word, uint64_t half)
{
    return word >> NUMBER_SHIFT == (half & NUMBER_MASK);
}

static uint64_t requests_in(uint64_t word, uint64_t half)
{
    return is_of_half(word, half) ? word & REQUESTS_MASK : 0;
}

static struct taken taken_in(uint64_t word, uint64_t half)
{
    if (!is_of_half(word, half))
        return (struct taken){.in_half = 0};
    return (struct taken){
        .in_half = (uint32_t)word & TAKEN_MAX,
        .in_second = (uint32_t)(word >> SECOND_SHIFT) & IN_SECOND_MAX,
        .second = (uint32_t)(word >> SECOND_NO_SHIFT) & SECOND_NO_MASK,
    };
}

static uint64_t word_of(const struct taken *taken, uint64_t half)
{
    return (half & NUMBER_MASK) << NUMBER_SHIFT | (uint64_t)taken->second << SECOND_NO_SHIFT |
           (uint64_t)taken->in_second << SECOND_SHIFT | taken->in_half;
}

void retry_budget_settle(struct retry_budget *budget, const struct retry_budget_home *home)
{
    budget->home = *home;
    budget->half_ends = 0;
    budget->requests = home->lane;
}

void retry_budget_configure(struct retry_budget *budget, double ratio, unsigned per_second_min)
{
    assert(ratio >= 0);
    budget->ratio = ratio;
    budget->per_second_min = per_second_min;
}

/* What a predecessor in the lane has counted in this half stays. */
void retry_budget_turn(struct retry_budget *budget, double now)
{
    uint64_t half = half_of(now);

    budget->requests = &budget->home.lane[half % 2];
    budget->half_ends = (double)(half + 1) * HALF_SECONDS;
    if (!is_of_half(load(budget->requests), half))
        series_store(budget->requests, (half & NUMBER_MASK) << NUMBER_SHIFT);
}

static uint64_t requests_of(const uint64_t *lane, uint64_t half)
{
    return requests_in(load(&lane[half % 2]), half) +
           (half > 0 ? requests_in(load(&lane[(half - 1) % 2]), half - 1) : 0);
}

/* Of all lanes, in this half and in the one before. */
static uint64_t sum_requests(const struct retry_budget_home *home, uint64_t half)
{
    const struct series *lanes = home->lanes;
    uint64_t sum = 0;

    if (lanes == NULL)
        return requests_of(home->lane, half);
    const uint64_t *first = lanes->values + (size_t)home->row * lanes->words + home->word;
    for (uint32_t lane = 0; lane < lanes->lanes; lane++)
        sum += series_has(lanes, lane) ? requests_of(first + lane * lanes->lane_words, half) : 0;
    return sum;
}

static uint32_t taken_before(const struct retry_budget_home *home, uint64_t half)
{
    return half > 0 ? taken_in(load(&home->taken[(half - 1) % 2]), half - 1).in_half : 0;
}

static bool is_within_share(const struct retry_budget *budget, uint64_t half, uint32_t in_half)
{
    uint64_t taken = in_half + taken_before(&budget->home, half);
    return (double)(taken + 1) <= (double)sum_requests(&budget->home, half) * budget->ratio;
}

bool retry_budget_take(const struct retry_budget *budget, double now)
{
    uint64_t half = half_of(now), *word = &budget->home.taken[half % 2], seen = load(word);
    uint32_t second = (uint32_t)(now - (double)(half * HALF_SECONDS));
    struct taken taken;

    do {
        taken = taken_in(seen, half);
        if (second > taken.second) {
            taken.in_second = 0;
            taken.second = second;
        }
        if (taken.in_second >= budget->per_second_min &&
            !is_within_share(budget, half, taken.in_half))
            return false;
        taken.in_half += taken.in_half < TAKEN_MAX;
        taken.in_second += taken.in_second < IN_SECOND_MAX;
    } while (!__atomic_compare_exchange_n(word, &seen, word_of(&taken, half), false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

struct retry_budget_state retry_budget_read(const struct retry_budget *budget, double now)
{
    const struct retry_budget_home *home = &budget->home;
    uint64_t half = half_of(now);

    return (struct retry_budget_state){
        .requests = sum_requests(home, half),
        .retries = taken_in(load(&home->taken[half % 2]), half).in_half + taken_before(home, half),
    };
}
