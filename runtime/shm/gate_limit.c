/*
 * gate_limit — the arithmetic, and what is in each word.
 *
 * Bits of a standing: 1 and 0 enum step, 23 to 2 the limit in GRAINS, 63 to 24 milliseconds until
 * when. Of a tally: 31 to 0 the mean in microseconds as a float, 42 to 32 answers that it is of, 53
 * to 43 requests that failed, 54 whether the limit was used, 63 to 55 which window. Averages are
 * two floats, microseconds: what is usual, and what was lately.
 */
#include "shm/gate_limit.h"

#include <math.h>
#include <string.h>

#define GRAINS     64
#define STEP_BITS  2
#define LIMIT_BITS 22
#define LIMIT_MASK ((1U << LIMIT_BITS) - 1)
#define COUNT_MASK 0x7ffU
#define ID_MASK    0x1ffU

/* Answers in a window; it lasts longer until there are, but not more than WINDOW_STRETCH times. */
#define ANSWERS_MIN    12
#define WINDOW_STRETCH 8
/* The limit is used when so large a part of it was under way at once. */
#define USED_SHARE 0.5
/* What a window changes at most, of the limit. */
#define SHRINKS_TO 0.7
#define GROWS_TO   1.5
/* Weights of a window in the averages: of the last ones; of what is usual where nobody waits, where
 * answers came faster than usual, where that was asked for, where nothing is held back. */
#define RECENT_WEIGHT   0.5
#define IDLE_WEIGHT     0.1
#define FASTER_WEIGHT   0.1
#define REVIEW_WEIGHT   0.5
#define REPORTED_WEIGHT 0.02
/* Reviews take one part in so many of the time, or come when the limit has shrunk to this. */
#define REVIEW_PARTS  24
#define REVIEW_SHRUNK 0.7
/* ... or sooner, when the last one found what is usual to have changed by so much. */
#define REVIEW_NEWS       0.1
#define REVIEW_PARTS_SOON 6
/* Until the first sign of load, or after failures, the limit grows by so much of itself. */
#define EAGER_GROWTH 0.5

enum step {
    STEP_LEARNING,
    STEP_LOWERED,  /* until what was under way before is over */
    STEP_REVIEWING /* what is seen tells what is usual */
};

struct standing {
    enum step step;
    double limit;      /* 0: none has been learnt */
    uint64_t until_ms; /* of STEP_LEARNING: until there may be another review */
};

struct tally {
    float mean_us;
    uint32_t answers, failures, id;
    bool is_used;
};

struct averages {
    float usual_us, recent_us;
};

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

static struct standing standing_of(uint64_t word)
{
    return (struct standing){
        .step = (enum step)(word & 3),
        .limit = (double)((word >> STEP_BITS) & LIMIT_MASK) / GRAINS,
        .until_ms = word >> (STEP_BITS + LIMIT_BITS),
    };
}

static uint64_t word_of(const struct standing *standing)
{
    uint64_t limit = (uint64_t)lrint(standing->limit * GRAINS);

    return (uint64_t)standing->step | (limit > LIMIT_MASK ? LIMIT_MASK : limit) << STEP_BITS |
           standing->until_ms << (STEP_BITS + LIMIT_BITS);
}

static uint32_t bits_of(float number)
{
    uint32_t bits;
    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

static float float_of(uint64_t bits)
{
    uint32_t half = (uint32_t)bits;
    float number;
    memcpy(&number, &half, sizeof(number));
    return number;
}

static struct tally tally_of(uint64_t word)
{
    return (struct tally){
        .mean_us = float_of(word),
        .answers = (uint32_t)(word >> 32) & COUNT_MASK,
        .failures = (uint32_t)(word >> 43) & COUNT_MASK,
        .is_used = (word >> 54 & 1) != 0,
        .id = (uint32_t)(word >> 55),
    };
}

static uint64_t word_of_tally(const struct tally *tally)
{
    return (uint64_t)bits_of(tally->mean_us) | (uint64_t)tally->answers << 32 |
           (uint64_t)tally->failures << 43 | (uint64_t)tally->is_used << 54 |
           (uint64_t)(tally->id & ID_MASK) << 55;
}

static struct averages averages_of(uint64_t word)
{
    return (struct averages){float_of(word), float_of(word >> 32)};
}

static uint64_t word_of_averages(const struct averages *averages)
{
    return (uint64_t)bits_of(averages->usual_us) | (uint64_t)bits_of(averages->recent_us) << 32;
}

static double clamp(double number, double least, double most)
{
    return number < least ? least : number > most ? most : number;
}

/* With the bounds of now, which may be others than those it was learnt with. */
static double limit_of(const struct standing *standing, const struct gate_options *options)
{
    double limit = standing->limit > 0 ? standing->limit : options->initial;
    return clamp(limit, options->min, options->max);
}

/* Below what the limit settles at by so much that nobody should have to wait over there. */
static double lowered(double limit, const struct gate_options *options)
{
    double least = options->min;
    return fmax(least, (limit - 1.5 * sqrt(limit)) / options->tolerance);
}

uint64_t gate_limit_now(const struct gate_limit *limit, const struct gate_options *options)
{
    struct standing standing = standing_of(load(&limit->standing));
    double now = limit_of(&standing, options);

    return (uint64_t)(standing.step == STEP_LEARNING ? now : lowered(now, options));
}

/* ---- the end of a window ---- */

static void move(float *average, float towards, double weight)
{
    *average = *average > 0 ? *average + (towards - *average) * (float)weight : towards;
}

static double failed_share(const struct tally *tally)
{
    return (double)tally->failures / (tally->failures + tally->answers);
}

/* Of few answers the mean says little. */
static double fullness(const struct tally *tally)
{
    return tally->answers < ANSWERS_MIN ? (double)tally->answers / ANSWERS_MIN : 1;
}

static void learn_usual(struct averages *averages, const struct tally *tally, bool is_report_only)
{
    if (averages->usual_us <= 0 || !tally->is_used)
        move(&averages->usual_us, tally->mean_us, IDLE_WEIGHT * fullness(tally));
    else if (tally->mean_us < averages->usual_us)
        move(&averages->usual_us, tally->mean_us, FASTER_WEIGHT);
    else if (is_report_only)
        move(&averages->usual_us, tally->mean_us, REPORTED_WEIGHT);
}

static double ratio_of(const struct averages *averages, const struct gate_options *options)
{
    if (averages->recent_us <= 0)
        return 1;
    return clamp(options->tolerance * averages->usual_us / averages->recent_us, 0.5, 1);
}

/* Whether nothing has spoken against more so far. */
static bool is_eager(const struct gate_limit *limit, double ratio)
{
    return ratio >= 1 && load(&limit->reviewed) == 0;
}

static double next_limit(double limit, double ratio, bool is_eager, const struct tally *tally,
                         const struct gate_options *options)
{
    double failed = failed_share(tally);
    double next = limit * ratio;

    if (tally->is_used)
        next += is_eager ? fmax(sqrt(limit), limit * EAGER_GROWTH) : sqrt(limit);
    else if (tally->answers < ANSWERS_MIN)
        next = limit;
    if (failed > 0)
        next = fmin(next, limit * (1 - failed / 2) + (failed < 0.1 ? 1 : 0));
    if (!tally->is_used)
        next = fmin(next, limit);
    return clamp(clamp(next, limit * SHRINKS_TO, limit * GROWS_TO + 1), options->min, options->max);
}

/* How long what is under way takes to be over. */
static uint64_t settling_ms(const struct averages *averages, const struct gate_options *options)
{
    double ms = 2 * averages->recent_us / 1000;
    return ms > options->window_ms ? (uint64_t)ms : options->window_ms;
}

static bool is_to_review(const struct gate_limit *limit, const struct standing *standing,
                         double ratio, const struct tally *tally,
                         const struct gate_options *options, uint64_t now_ms)
{
    double reviewed = (double)load(&limit->reviewed) / GRAINS;

    return ratio < 1 && tally->is_used && tally->failures == 0 && !options->is_report_only &&
           (now_ms >= standing->until_ms || standing->limit < reviewed * REVIEW_SHRUNK);
}

static void learn(struct gate_limit *limit, struct standing *standing, struct averages *averages,
                  const struct tally *tally, const struct gate_options *options, uint64_t now_ms)
{
    if (tally->answers > 0) {
        move(&averages->recent_us, tally->mean_us, RECENT_WEIGHT * fullness(tally));
        learn_usual(averages, tally, options->is_report_only);
    }
    double ratio = ratio_of(averages, options);
    standing->limit =
        next_limit(limit_of(standing, options), ratio, is_eager(limit, ratio), tally, options);
    if (tally->failures > tally->answers)
        __atomic_store_n(&limit->reviewed, 0, __ATOMIC_RELEASE);
    if (!is_to_review(limit, standing, ratio, tally, options, now_ms))
        return;
    __atomic_store_n(&limit->reviewed, (uint64_t)lrint(standing->limit * GRAINS), __ATOMIC_RELEASE);
    standing->step = STEP_LOWERED;
    standing->until_ms = now_ms + settling_ms(averages, options);
}

static void review(struct standing *standing, struct averages *averages, const struct tally *tally,
                   const struct gate_options *options, uint64_t now_ms)
{
    uint64_t took_ms = settling_ms(averages, options) + options->window_ms;
    double usual_us = averages->usual_us;
    double news = tally->answers > 0 ? fabs(tally->mean_us - usual_us) / usual_us : 0;
    bool is_news = news > REVIEW_NEWS;

    if (tally->answers > 0)
        move(&averages->usual_us, tally->mean_us, fmin(REVIEW_WEIGHT + news, 1));
    standing->step = STEP_LEARNING;
    standing->until_ms = now_ms + took_ms * (is_news ? REVIEW_PARTS_SOON : REVIEW_PARTS);
}

/* By whoever ended it. Another one may end the next at the same time: then one of both is lost. */
static void take(struct gate_limit *limit, struct gate_window *window, const struct tally *tally,
                 const struct gate_options *options, uint64_t now_ms)
{
    uint64_t seen_standing = load(&limit->standing), seen_averages = load(&window->averages);
    struct standing standing = standing_of(seen_standing);
    struct averages averages = averages_of(seen_averages);

    switch (standing.step) {
    case STEP_LEARNING:
        learn(limit, &standing, &averages, tally, options, now_ms);
        break;
    case STEP_LOWERED:
        if (now_ms >= standing.until_ms)
            standing.step = STEP_REVIEWING;
        break;
    case STEP_REVIEWING:
        review(&standing, &averages, tally, options, now_ms);
        break;
    }
    if (swap(&limit->standing, &seen_standing, word_of(&standing)))
        swap(&window->averages, &seen_averages, word_of_averages(&averages));
}

static bool has_ended(const struct gate_window *window, const struct tally *tally,
                      const struct gate_options *options, uint64_t now_ms)
{
    uint64_t ends_ms = load(&window->ends_ms);
    uint32_t seen = tally->answers + tally->failures;

    if (tally->answers == COUNT_MASK || tally->failures == COUNT_MASK)
        return true;
    if (now_ms < ends_ms)
        return false;
    return seen >= ANSWERS_MIN ||
           now_ms >= ends_ms + (WINDOW_STRETCH - 1) * (uint64_t)options->window_ms;
}

static void count(struct tally *tally, const struct gate_sample *sample, double limit)
{
    tally->is_used = tally->is_used || (double)sample->active >= limit * USED_SHARE;
    if (sample->outcome == GATE_OVERLOADED) {
        tally->failures += tally->failures < COUNT_MASK;
        return;
    }
    tally->answers += tally->answers < COUNT_MASK;
    tally->mean_us += ((float)(sample->seconds * 1e6) - tally->mean_us) / (float)tally->answers;
}

void gate_limit_learn(struct gate_limit *limit, struct gate_window *window,
                      const struct gate_options *options, const struct gate_sample *sample)
{
    struct standing standing = standing_of(load(&limit->standing));
    double now = limit_of(&standing, options);
    uint64_t seen = load(&window->tally);
    struct tally tally, next;
    bool is_end;

    do {
        tally = tally_of(seen);
        count(&tally, sample, now);
        is_end = has_ended(window, &tally, options, sample->now_ms);
        next = is_end ? (struct tally){.id = tally.id + 1} : tally;
    } while (!swap(&window->tally, &seen, word_of_tally(&next)));
    if (!is_end)
        return;
    __atomic_store_n(&window->ends_ms, sample->now_ms + options->window_ms, __ATOMIC_RELEASE);
    take(limit, window, &tally, options, sample->now_ms);
}

void gate_limit_forget(struct gate_limit *limit, struct gate_window *window)
{
    __atomic_store_n(&window->averages, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&limit->reviewed, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&limit->standing, 0, __ATOMIC_RELEASE);
}

double gate_limit_learnt(const struct gate_limit *limit)
{
    return standing_of(load(&limit->standing)).limit;
}

double gate_limit_usual(const struct gate_window *window)
{
    return averages_of(load(&window->averages)).usual_us / 1e6;
}

double gate_limit_recent(const struct gate_window *window)
{
    return averages_of(load(&window->averages)).recent_us / 1e6;
}
