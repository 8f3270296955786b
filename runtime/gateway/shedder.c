/*
 * shedder — from how late a loop is to how much of what comes is refused.
 *
 * The level has two parts. One follows the delay at once, x/2 + x^3/2 of what lies between `lag`
 * and `full`: the straight half keeps it from swinging, the cubic one makes `full` the whole. The
 * other one adds up how much too late, or in time, it has been; so it settles at what has to be
 * refused for the loop to be as late as `lag`, whatever comes and whatever requests cost.
 */
#include "gateway/shedder.h"

#include <assert.h>

#include "base/clock.h"
#include "base/log.h"
#include "shm/counter.h"
#include "shm/worker_board.h"

/* A delay that is below so much of what it was at most is of a queue that drains. */
#define DRAINING_SHARE 0.85
/* So many windows, and it stands even though it seems to drain. */
#define LATE_WINDOWS_MAX 3
/* Of the settled part: in a second as late as `full`, and in one without any delay. */
#define RISE_PER_SECOND 1.0
#define FALL_PER_SECOND 1.0
/* No turn is taken for more, however long it was. */
#define STEP_SECONDS_MAX 0.25
/* So many windows without anything to refuse, and it has ended. */
#define CALM_WINDOWS 2
/* Between two lines that say that it begins. */
#define LOG_SECONDS 10

#define RETRY_SECONDS_MIN 2
#define RETRY_SECONDS_MAX 10

void shedder_init(struct shedder *shedder)
{
    *shedder = (struct shedder){.logged = -LOG_SECONDS, .clock = clock_monotonic};
    for (size_t i = 0; i < SHEDDER_CLASSES; i++)
        shedder->counts[i] = &shedder->own[i];
}

void shedder_show(struct shedder *shedder, const struct counter_table *counters,
                  struct worker_place *place, const struct worker_board *board)
{
    const struct slice labels[SHEDDER_CLASSES] = {
        [SHEDDER_LOW] = SLICE("criticality=\"low\""),
        [SHEDDER_NORMAL] = SLICE("criticality=\"normal\""),
        [SHEDDER_HIGH] = SLICE("criticality=\"high\""),
    };

    for (size_t i = 0; i < SHEDDER_CLASSES; i++) {
        uint32_t slot =
            counter_slot(counters, COUNTER_TOTAL, SLICE("moongate_shed_total"), labels[i]);
        shedder->counts[i] = series_mine(&counters->series, slot);
    }
    shedder->place = place;
    shedder->board = board;
    shedder->turn = &place->turn_started;
    triage_init(&shedder->triage, (uintptr_t)place);
}

static void tell_begun(struct shedder *shedder, double now)
{
    shedder->refused = 0;
    if (shedder->is_told || now - shedder->logged < LOG_SECONDS)
        return;
    shedder->is_told = true;
    shedder->logged = now;
    log_write(LOG_WARNING, "the loop is %.0f ms late: what matters least is refused%s",
              shedder->delay.seconds * 1e3,
              shedder->options.is_report_only ? " (report only)" : "");
}

static void tell_ended(struct shedder *shedder)
{
    if (!shedder->is_told)
        return;
    shedder->is_told = false;
    log_write(LOG_INFO, "the loop is in time again: nothing is refused any more, %llu were%s",
              (unsigned long long)shedder->refused,
              shedder->options.is_report_only ? " (report only)" : "");
}

/* What siblings had to refuse to be in time is the best guess of what has to be refused here; where
 * it is too much, it falls by itself. */
static double settled_of_siblings(const struct shedder *shedder)
{
    if (shedder->board == NULL || shedder->options.is_report_only)
        return 0;
    return worker_board_shed_settled(shedder->board, shedder->place);
}

static void begin(struct shedder *shedder, double now)
{
    shedder->is_shedding = true;
    shedder->settled = settled_of_siblings(shedder);
    shedder->calm_since = now;
    tell_begun(shedder, now);
}

static void end(struct shedder *shedder)
{
    shedder->is_shedding = shedder->is_watching = false;
    shedder->level = shedder->settled = 0;
    shedder->triage.edge = 0;
    tell_ended(shedder);
}

static void watch(struct shedder *shedder, double now)
{
    shedder->is_watching = true;
    shedder->watched_since = now;
    shedder->late_most = 0;
    triage_forget(&shedder->triage, now);
}

/* Whether it has been too late for a window. One that is catching up is given another window, but
 * not for ever: turns may be so different that it looks as if it were. */
static bool stands(struct shedder *shedder, double now)
{
    double delay = shedder->delay.seconds, window = shedder->options.window_seconds;

    if (!shedder->is_watching)
        watch(shedder, now);
    if (shedder->late_most == 0 || delay < shedder->late_most * DRAINING_SHARE) {
        shedder->late_since = now;
        shedder->late_most = delay;
    } else if (delay > shedder->late_most) {
        shedder->late_most = delay;
    }
    return now - shedder->late_since >= window ||
           now - shedder->watched_since >= LATE_WINDOWS_MAX * window;
}

/* What lies between in time and all too late: 0 to 1. */
static double lateness(const struct shedder *shedder)
{
    const struct shedder_options *options = &shedder->options;
    double over = shedder->delay.seconds - options->lag_seconds;
    double whole = options->full_seconds - options->lag_seconds;

    return over <= 0 ? 0 : over >= whole ? 1 : over / whole;
}

/* Nothing is late while the loop waits. Where nothing is really refused nothing settles: it would
 * only rise. */
static void settle(struct shedder *shedder, double late, struct loop_delay_step step)
{
    double worked = step.worked < STEP_SECONDS_MAX ? step.worked : STEP_SECONDS_MAX;
    double spare = 1 - shedder->delay.seconds / shedder->options.lag_seconds;

    shedder->settled -= step.waited * FALL_PER_SECOND;
    shedder->settled += worked * (spare > 0 ? -spare * FALL_PER_SECOND : late * RISE_PER_SECOND);
    if (shedder->settled < 0 || shedder->options.is_report_only)
        shedder->settled = 0;
    if (shedder->settled > 1)
        shedder->settled = 1;
}

static void set_level(struct shedder *shedder, struct loop_delay_step step, double now)
{
    double late = lateness(shedder);

    settle(shedder, late, step);
    double level = shedder->settled + late / 2 + late * late * late / 2;
    shedder->level = level < 1 ? level : 1;
    triage_set(&shedder->triage, shedder->level, now);
    if (shedder->level > 0)
        shedder->calm_since = now;
    else if (now - shedder->calm_since > CALM_WINDOWS * shedder->options.window_seconds)
        end(shedder);
}

static void judge(struct shedder *shedder, struct loop_delay_step step, double now)
{
    shedder->requests = 0;
    if (shedder->is_shedding)
        set_level(shedder, step, now);
    else if (shedder->delay.seconds <= shedder->options.lag_seconds)
        shedder->is_watching = false;
    else if (stands(shedder, now))
        begin(shedder, now);
}

void shedder_end_turn(struct shedder *shedder, double began, double seconds, double behind)
{
    if (!shedder_is_on(shedder))
        return;
    struct loop_delay_step step = loop_delay_end_turn(&shedder->delay, began, seconds, behind);
    judge(shedder, step, shedder->delay.ended);
    if (shedder->place != NULL)
        worker_place_set_load(shedder->place, shedder->delay.seconds, shedder->level,
                              shedder->settled);
}

/* In the middle of a turn. */
static void look(struct shedder *shedder)
{
    if (shedder->turn == NULL || *shedder->turn <= 0)
        return;
    double began = *shedder->turn, now = shedder->clock();
    judge(shedder, loop_delay_look(&shedder->delay, began, now - began), now);
}

void shedder_configure(struct shedder *shedder, const struct shedder_options *options)
{
    assert(options->lag_seconds == 0 || options->full_seconds > options->lag_seconds);
    shedder->options = *options;
    if (shedder_is_on(shedder))
        return;
    end(shedder);
    shedder->delay = (struct loop_delay){0};
    if (shedder->place != NULL)
        worker_place_set_load(shedder->place, 0, 0, 0);
}

bool shedder_weigh(struct shedder *shedder, unsigned criticality)
{
    if (++shedder->requests >= SHEDDER_LOOK_REQUESTS)
        look(shedder);
    if (!triage_refuses(&shedder->triage, criticality))
        return false;
    shedder->refused++;
    series_add(shedder->counts[criticality >= SHEDDER_HIGH_MIN     ? SHEDDER_HIGH
                               : criticality >= SHEDDER_NORMAL_MIN ? SHEDDER_NORMAL
                                                                   : SHEDDER_LOW],
               1);
    return !shedder->options.is_report_only;
}

unsigned shedder_retry_seconds(struct shedder *shedder)
{
    unsigned spread = RETRY_SECONDS_MAX - RETRY_SECONDS_MIN;
    unsigned range = RETRY_SECONDS_MIN + (unsigned)(shedder->level * spread);

    return 1 + triage_random(&shedder->triage) % range;
}
