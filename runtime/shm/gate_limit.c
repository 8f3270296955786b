/*
 * gate_limit — what the end of each window says of the limit.
 */
#include "shm/gate_limit.h"

#include <math.h>

#include "shm/gate_state.h"

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
/* Where more than this failed it does not grow. */
#define FAILED_SHARE_GROWS 0.1

/* What a window has told, and what follows from it. */
struct lesson {
    struct gate_limit *limit;
    const struct gate_options *options;
    const struct gate_tally *tally;
    uint64_t now_ms;
    struct gate_standing standing;
    struct gate_averages averages;
    double ratio; /* what the answers leave of the limit */
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

static double clamp(double number, double least, double most)
{
    return number < least ? least : number > most ? most : number;
}

/* With the bounds of now, which may be others than those it was learnt with. */
static double limit_of(const struct gate_standing *standing, const struct gate_options *options)
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
    struct gate_standing standing = gate_standing_of(load(&limit->standing));
    double now = limit_of(&standing, options);

    return (uint64_t)(standing.step == GATE_LEARNING ? now : lowered(now, options));
}

/* ---- the end of a window ---- */

static void move(float *average, float towards, double weight)
{
    *average = *average > 0 ? *average + (towards - *average) * (float)weight : towards;
}

/* Of few answers the mean says little. */
static double fullness(const struct gate_tally *tally)
{
    return tally->answers < ANSWERS_MIN ? (double)tally->answers / ANSWERS_MIN : 1;
}

static void learn_usual(struct lesson *lesson)
{
    float *usual_us = &lesson->averages.usual_us;
    const struct gate_tally *tally = lesson->tally;

    if (*usual_us <= 0 || !tally->is_used)
        move(usual_us, tally->mean_us, IDLE_WEIGHT * fullness(tally));
    else if (tally->mean_us < *usual_us)
        move(usual_us, tally->mean_us, FASTER_WEIGHT);
    else if (lesson->options->is_report_only)
        move(usual_us, tally->mean_us, REPORTED_WEIGHT);
}

static double ratio_of(const struct gate_averages *averages, double tolerance)
{
    if (averages->recent_us <= 0)
        return 1;
    return clamp(tolerance * averages->usual_us / averages->recent_us, 0.5, 1);
}

/* What a limit that is used grows by: much while nothing has spoken against it so far. */
static double growth(const struct lesson *lesson, double limit)
{
    bool is_eager = lesson->ratio >= 1 && load(&lesson->limit->reviewed) == 0;

    return is_eager ? fmax(sqrt(limit), limit * EAGER_GROWTH) : sqrt(limit);
}

static double next_limit(const struct lesson *lesson)
{
    const struct gate_options *options = lesson->options;
    const struct gate_tally *tally = lesson->tally;
    double limit = limit_of(&lesson->standing, options);
    double failed = (double)tally->failures / (tally->failures + tally->answers);
    double next = limit * lesson->ratio;

    if (tally->is_used)
        next += growth(lesson, limit);
    else if (tally->answers < ANSWERS_MIN)
        next = limit;
    if (failed > 0)
        next = fmin(next, limit * (1 - failed / 2) + (failed < FAILED_SHARE_GROWS ? 1 : 0));
    return clamp(clamp(next, limit * SHRINKS_TO, limit * GROWS_TO + 1), options->min, options->max);
}

/* How long what is under way takes to be over. */
static uint64_t settling_ms(const struct lesson *lesson)
{
    double ms = 2 * lesson->averages.recent_us / 1000;
    return ms > lesson->options->window_ms ? (uint64_t)ms : lesson->options->window_ms;
}

static bool is_to_review(const struct lesson *lesson)
{
    const struct gate_standing *standing = &lesson->standing;
    double reviewed = (double)load(&lesson->limit->reviewed) / GATE_GRAINS;

    return lesson->ratio < 1 && lesson->tally->is_used && lesson->tally->failures == 0 &&
           !lesson->options->is_report_only &&
           (lesson->now_ms >= standing->until_ms || standing->limit < reviewed * REVIEW_SHRUNK);
}

static void learn(struct lesson *lesson)
{
    struct gate_standing *standing = &lesson->standing;
    const struct gate_tally *tally = lesson->tally;
    uint64_t *reviewed = &lesson->limit->reviewed;

    if (tally->answers > 0) {
        move(&lesson->averages.recent_us, tally->mean_us, RECENT_WEIGHT * fullness(tally));
        learn_usual(lesson);
    }
    lesson->ratio = ratio_of(&lesson->averages, lesson->options->tolerance);
    standing->limit = next_limit(lesson);
    if (tally->failures > tally->answers)
        __atomic_store_n(reviewed, 0, __ATOMIC_RELEASE);
    if (!is_to_review(lesson))
        return;
    __atomic_store_n(reviewed, (uint64_t)lrint(standing->limit * GATE_GRAINS), __ATOMIC_RELEASE);
    standing->step = GATE_LOWERED;
    standing->until_ms = lesson->now_ms + settling_ms(lesson);
}

static void review(struct lesson *lesson)
{
    const struct gate_tally *tally = lesson->tally;
    uint64_t took_ms = settling_ms(lesson) + lesson->options->window_ms;
    double usual_us = lesson->averages.usual_us;
    double news = tally->answers > 0 ? fabs(tally->mean_us - usual_us) / usual_us : 0;
    bool is_news = news > REVIEW_NEWS;

    if (tally->answers > 0)
        move(&lesson->averages.usual_us, tally->mean_us, fmin(REVIEW_WEIGHT + news, 1));
    lesson->standing.step = GATE_LEARNING;
    lesson->standing.until_ms =
        lesson->now_ms + took_ms * (is_news ? REVIEW_PARTS_SOON : REVIEW_PARTS);
}

static void take(struct lesson *lesson)
{
    switch (lesson->standing.step) {
    case GATE_LEARNING:
        learn(lesson);
        break;
    case GATE_LOWERED:
        if (lesson->now_ms >= lesson->standing.until_ms)
            lesson->standing.step = GATE_REVIEWING;
        break;
    case GATE_REVIEWING:
        review(lesson);
        break;
    }
}

/* By whoever ended it. Another one may end the next at the same time: then one of both is lost. */
static void end_window(struct gate_window *window, struct lesson *lesson)
{
    uint64_t standing = load(&lesson->limit->standing), averages = load(&window->averages);

    lesson->standing = gate_standing_of(standing);
    lesson->averages = gate_averages_of(averages);
    __atomic_store_n(&window->ends_ms, lesson->now_ms + lesson->options->window_ms,
                     __ATOMIC_RELEASE);
    take(lesson);
    if (swap(&lesson->limit->standing, &standing, gate_word_of_standing(&lesson->standing)))
        swap(&window->averages, &averages, gate_word_of_averages(&lesson->averages));
}

static bool has_ended(const struct gate_window *window, const struct gate_tally *tally,
                      const struct gate_options *options, uint64_t now_ms)
{
    uint64_t ends_ms = load(&window->ends_ms);
    uint32_t seen = tally->answers + tally->failures;

    if (tally->answers == GATE_COUNT_MAX || tally->failures == GATE_COUNT_MAX)
        return true;
    if (now_ms < ends_ms)
        return false;
    return seen >= ANSWERS_MIN ||
           now_ms >= ends_ms + (WINDOW_STRETCH - 1) * (uint64_t)options->window_ms;
}

static void count(struct gate_tally *tally, const struct gate_sample *sample, double limit)
{
    tally->is_used = tally->is_used || (double)sample->active >= limit * USED_SHARE;
    if (sample->outcome == GATE_OVERLOADED) {
        tally->failures += tally->failures < GATE_COUNT_MAX;
        return;
    }
    tally->answers += tally->answers < GATE_COUNT_MAX;
    tally->mean_us += ((float)(sample->seconds * 1e6) - tally->mean_us) / (float)tally->answers;
}

void gate_limit_learn(struct gate_limit *limit, struct gate_window *window,
                      const struct gate_options *options, const struct gate_sample *sample)
{
    struct gate_standing standing = gate_standing_of(load(&limit->standing));
    double now = limit_of(&standing, options);
    uint64_t seen = load(&window->tally);
    struct gate_tally tally, next;
    bool is_end;

    do {
        tally = gate_tally_of(seen);
        count(&tally, sample, now);
        is_end = has_ended(window, &tally, options, sample->now_ms);
        next = is_end ? (struct gate_tally){.id = tally.id + 1} : tally;
    } while (!swap(&window->tally, &seen, gate_word_of_tally(&next)));
    if (!is_end)
        return;
    struct lesson lesson = {
        .limit = limit, .options = options, .tally = &tally, .now_ms = sample->now_ms};
    end_window(window, &lesson);
}

void gate_limit_forget(struct gate_limit *limit, struct gate_window *window)
{
    __atomic_store_n(&window->averages, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&limit->reviewed, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&limit->standing, 0, __ATOMIC_RELEASE);
}

double gate_limit_learnt(const struct gate_limit *limit)
{
    return gate_standing_of(load(&limit->standing)).limit;
}

double gate_limit_usual(const struct gate_window *window)
{
    return gate_averages_of(load(&window->averages)).usual_us / 1e6;
}

double gate_limit_recent(const struct gate_window *window)
{
    return gate_averages_of(load(&window->averages)).recent_us / 1e6;
}
