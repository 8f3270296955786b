/*
 * ledger — where the steps of one exchange are counted, and what they cost if it is in the sample.
 *
 * A step is a plugin in a phase. Each call is counted; of time, only that of a sample of the
 * exchanges is measured, each of which stands for `weight` of them. Time of the CPU is the thread's
 * between two steps, less what reading the clock takes. Waiting is the time that a phase's
 * coroutine is suspended in a step: what it started side by side in that time is not added to it.
 */
#pragma once

#include "shm/plugin_accounts.h"

/* One exchange out of so many is measured, at most, and fewer are never measured than one in a
 * pause of the sampler: so what measuring costs does not grow with the load. */
#define SAMPLER_MEAN_MAX      1024
#define SAMPLER_PAUSE_SECONDS 0.005

/* Which exchanges of a worker are in the sample. Zeroed: the next one is. */
struct sampler {
    uint32_t left; /* exchanges before the next one in it */
    uint32_t mean; /* how many were to be skipped, on average, when `left` was drawn, and itself */
    double drawn;  /* when: monotonic seconds */
    uint64_t random;
    uint32_t clock_ns; /* what reading the CPU's clock takes */
};

struct ledger {
    struct plugin_cost **rows;   /* by step; of its route */
    struct plugin_cost *current; /* of the step that runs or ran last; NULL: none in this phase */
    uint32_t weight;             /* 0: it is not in the sample */
    uint32_t clock_ns;           /* the sampler's */
    uint32_t running;            /* tasks that work for it, started within one another */
    uint32_t step;               /* that runs or ran last */
    uint64_t since_ns;           /* of the CPU's clock: when what runs began */
    uint64_t waiting_ns;         /* of the monotonic clock: since when it waits; 0: it does not */
};

/* How many exchanges the next one stands for, mostly 0. Out of line where it is not. */
uint32_t sampler_draw(struct sampler *sampler);
static inline uint32_t sampler_next(struct sampler *sampler)
{
    if (sampler->left > 1) {
        sampler->left--;
        return 0;
    }
    return sampler_draw(sampler);
}

/* What has been measured belongs to the step before `next`. */
void ledger_lap(struct ledger *ledger, struct plugin_cost *next, uint32_t calls);

/* A step begins, or goes on where calls is 0. */
static inline void ledger_enter(struct ledger *ledger, uint32_t step, uint32_t calls)
{
    struct plugin_cost *next = ledger->rows[step];

    if (ledger->weight != 0)
        ledger_lap(ledger, next, calls);
    ledger->current = next;
    ledger->step = step;
    series_add(&next->calls, calls);
}

/* For task.c, around each run of one of its coroutines, where it is in the sample; `is_part`: of a
 * task that another one of it waits for. */
void ledger_resume(struct ledger *ledger, bool is_part);
void ledger_pause(struct ledger *ledger, bool is_part, bool is_waiting);
/* Around steps that are C's own, and in no task. */
static inline void ledger_begin(struct ledger *ledger)
{
    if (ledger->weight != 0)
        ledger_resume(ledger, false);
}
static inline void ledger_end(struct ledger *ledger)
{
    if (ledger->weight != 0)
        ledger_pause(ledger, false, false);
}
/* The task that waits will not go on. */
void ledger_cancel(struct ledger *ledger);
