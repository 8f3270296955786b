/*
 * loop_delay — an average of what the work of turns was late by, over time.
 */
#include "net/loop_delay.h"

#include <math.h>

/* Who finds work at once waits for less: even waking up an idle processor takes longer. */
#define NO_WAIT_SECONDS 1e-4

static double weight_after(double seconds)
{
    return exp(-seconds / LOOP_DELAY_MEMORY_SECONDS);
}

/* At the first look at a turn: how long the loop had waited for it. */
static double begin_turn(struct loop_delay *delay, double began)
{
    double waited = delay->ended > 0 && began > delay->ended ? began - delay->ended : 0;

    delay->before = waited < NO_WAIT_SECONDS ? delay->turn : 0;
    delay->seconds *= weight_after(waited);
    return waited;
}

struct loop_delay_step loop_delay_look(struct loop_delay *delay, double began, double seconds)
{
    struct loop_delay_step step = {0};

    if (delay->looked == 0)
        step.waited = begin_turn(delay, began);
    if (seconds <= delay->looked)
        return step; /* nothing is believed of a clock */
    step.worked = seconds - delay->looked;
    double kept = weight_after(step.worked), late = (delay->before + seconds) / 2 + delay->queued;
    delay->seconds = delay->seconds * kept + late * (1 - kept);
    delay->looked = seconds;
    return step;
}

struct loop_delay_step loop_delay_end_turn(struct loop_delay *delay, double began, double seconds,
                                           double behind)
{
    delay->queued = seconds > 0 ? behind * seconds : 0;
    struct loop_delay_step step = loop_delay_look(delay, began, seconds);

    delay->turn = delay->looked;
    delay->ended = began + delay->looked;
    delay->looked = 0;
    return step;
}
