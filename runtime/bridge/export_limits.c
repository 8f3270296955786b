/*
 * export_limits — limits of rates, of windows and of what goes on at once, for Lua.
 */
#include <math.h>

#include "bridge/exports.h"
#include "bridge/held_slots.h"
#include "bridge/numbers.h"
#include "shm/limiter_window.h"
#include "shm/shared.h"

#define WINDOW_KINDS 3

_Static_assert((int)MOON_WINDOW_FIXED == (int)LIMITER_WINDOW_FIXED &&
                   (int)MOON_WINDOW_SLIDING == (int)LIMITER_WINDOW_SLIDING &&
                   (int)MOON_WINDOW_FROM_FIRST == (int)LIMITER_WINDOW_FROM_FIRST,
               "Lua's kinds are the limiter's");

static void tell(const struct limiter_verdict *verdict, double *numbers)
{
    numbers[0] = (double)verdict->remaining;
    numbers[1] = verdict->retry_after_ns == UINT64_MAX
                     ? INFINITY
                     : (double)verdict->retry_after_ns / NANOSECONDS;
    numbers[2] = (double)verdict->reset_ns / NANOSECONDS;
}

static uint64_t key_of(const struct limiter *limiter, const struct slice *name_and_scope)
{
    return limiter_key(limiter, name_and_scope[0], name_and_scope[1]);
}

/* Lua hands scalars over in registers; a struct of them would have to be filled for each call. */
/* NOLINTBEGIN(readability-function-size) */

static bool take_of(struct generation *generation, const struct slice *name_and_scope, double limit,
                    double window_seconds, double burst, double cost, struct limiter_take *take)
{
    *take = (struct limiter_take){0};
    if (!limiter_rate(whole(limit), nanoseconds(window_seconds), whole(burst), take))
        return false;
    take->key = key_of(&shared_of(generation)->limiter, name_and_scope);
    take->now_ns = now_ns(generation);
    take->cost = whole(cost);
    return true;
}

int moon_limit_take(struct generation *generation, struct slice *name_and_scope, double limit,
                    double window_seconds, double burst, double cost, double *numbers)
{
    struct limiter_take take;
    struct limiter_verdict verdict = {0};

    if (!take_of(generation, name_and_scope, limit, window_seconds, burst, cost, &take))
        return -1;
    enum limiter_outcome outcome = limiter_take(&shared_of(generation)->limiter, &take, &verdict);
    tell(&verdict, numbers);
    return (int)outcome;
}

void moon_limit_give(struct generation *generation, struct slice *name_and_scope, double limit,
                     double window_seconds, double burst, double cost)
{
    struct limiter_take take;

    if (take_of(generation, name_and_scope, limit, window_seconds, burst, cost, &take))
        limiter_give(&shared_of(generation)->limiter, &take);
}

static bool window_of(struct generation *generation, const struct slice *name_and_scope, int how,
                      double limit, double start, double end, double cost,
                      struct limiter_window *window)
{
    if (how < 0 || how >= WINDOW_KINDS)
        return false;
    *window = (struct limiter_window){
        .key = key_of(&shared_of(generation)->limiter, name_and_scope),
        .now_ns = now_ns(generation),
        .kind = (enum limiter_window_kind)how,
        .start_s = whole(start),
        .end_s = whole(end),
        .limit = whole(limit),
        .cost = whole(cost),
    };
    return limiter_window_is_sane(window);
}

/* The one that has now; none is of 0 seconds. */
static bool window_now(struct generation *generation, const struct slice *name_and_scope, int how,
                       double limit, double seconds, double cost, struct limiter_window *window)
{
    uint64_t now_s = now_ns(generation) / (uint64_t)NANOSECONDS, length_s = whole(seconds);
    uint64_t start_s = length_s > 0 ? now_s / length_s * length_s : 0;
    double start = (double)start_s;
    return window_of(generation, name_and_scope, how, limit, start, start + seconds, cost, window);
}

int moon_window_take_now(struct generation *generation, struct slice *name_and_scope, int how,
                         double limit, double seconds, double cost, double *numbers)
{
    struct limiter_window window;
    struct limiter_verdict verdict = {0};

    if (!window_now(generation, name_and_scope, how, limit, seconds, cost, &window))
        return -1;
    enum limiter_outcome outcome =
        limiter_window_take(&shared_of(generation)->limiter, &window, &verdict);
    tell(&verdict, numbers);
    return (int)outcome;
}

void moon_window_give_now(struct generation *generation, struct slice *name_and_scope, int how,
                          double limit, double seconds, double cost)
{
    struct limiter_window window;

    if (window_now(generation, name_and_scope, how, limit, seconds, cost, &window))
        limiter_window_give(&shared_of(generation)->limiter, &window);
}

bool moon_window_begin(struct generation *generation, struct slice *name_and_scope, int how,
                       double limit, double start, double end, double used)
{
    struct limiter_window window;

    return window_of(generation, name_and_scope, how, limit, start, end, 0, &window) &&
           limiter_window_begin(&shared_of(generation)->limiter, &window, whole(used));
}

bool moon_window_used(struct generation *generation, struct slice *name_and_scope, int how,
                      double start, double end, double *numbers)
{
    struct limiter_window window;
    uint64_t used, end_s;

    if (!window_of(generation, name_and_scope, how, 1, start, end, 0, &window) ||
        !limiter_window_used(&shared_of(generation)->limiter, &window, &used, &end_s))
        return false;
    numbers[0] = (double)used;
    numbers[1] = (double)end_s;
    return true;
}

/* NOLINTEND(readability-function-size) */

int moon_slot_take(struct exchange *exchange, struct slice *name_and_scope, double limit,
                   double *used)
{
    const struct slots *slots = &shared_of(exchange->generation)->slots;
    uint64_t key = slots_key(slots, name_and_scope[0], name_and_scope[1]);
    uint32_t count;

    if (whole(limit) == 0 || whole(limit) > SLOTS_COUNT_MAX)
        return -1;
    enum slots_outcome outcome = held_slots_take(exchange, key, (uint32_t)whole(limit), &count);
    used[0] = count;
    return (int)outcome;
}
