/*
 * yielding — sched_yield(), not too often.
 */
#include "base/yielding.h"

#include <sched.h>
#include <stdbool.h>

#include "base/clock.h"

/* The clock is looked at once in so many offers. */
#define OFFERS 16
/* Whether it is idle is asked once in so many yields: whoever waits for it may have raised it. */
#define YIELDS 16

static _Thread_local unsigned offers_left; /* 0: this thread does not yield */
static _Thread_local double next;
static _Thread_local unsigned yields_left;
static _Thread_local bool is_idle;

static void yield_if_idle(void)
{
    if (yields_left == 0) {
        yields_left = YIELDS;
        is_idle = sched_getscheduler(0) == SCHED_IDLE;
    }
    yields_left--;
    if (is_idle)
        sched_yield();
    next = clock_monotonic() + YIELDING_SECONDS;
}

void yielding_begin(void)
{
    offers_left = OFFERS;
    yields_left = 0;
}

static void look(void)
{
    offers_left = OFFERS;
    if (clock_monotonic() >= next)
        yield_if_idle();
}

void yielding_offer(void)
{
    if (offers_left == 0 || --offers_left > 0)
        return;
    look();
}

void yielding_offer_now(void)
{
    if (offers_left > 0)
        look();
}
