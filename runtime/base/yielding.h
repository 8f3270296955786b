/*
 * yielding — an idle thread (base/priority.h) that asks often whether others want its processor.
 *
 * Who wakes has an idle thread's processor at once. But who had one, and was only interrupted there
 * by somebody else, may have to wait behind the idle thread: the scheduler goes by what each has
 * had lately, and looks again with its next tick, which is up to 10 ms later.
 */
#pragma once

/* Between two of its questions: so long somebody may have to wait. */
#define YIELDING_SECONDS 50e-6

/* Of the calling thread, which yields from now on, until it ends, while it is idle. */
void yielding_begin(void);
/* From code that runs for long, wherever the thread holds nothing up: where memory is given to a
 * Lua state and taken back, which is every few hundred nanoseconds, and in long loops. Of other
 * threads it asks nothing. */
void yielding_offer(void);
/* The same from code that seldom comes by: the clock is looked at each time. */
void yielding_offer_now(void);
