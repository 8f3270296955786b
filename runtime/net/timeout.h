/*
 * timeout — a deadline that is moved far more often than it passes.
 *
 * Moving or clearing one is a store: the timer below it is armed once and, when it fires
 * early, re-arms itself for what is left. So a request that sets and clears four
 * deadlines touches no heap. Wall-clock jumps do not move deadlines.
 */
#pragma once

#include <assert.h>
#include <ev.h>
#include <stdbool.h>

#include "net/loop.h"

/* Beyond so many that are kept for the next one to acquire them, they are freed. */
#define TIMEOUT_SPARES_MAX 4096

struct timeout {
    ev_timer timer;
    struct loop *loop;
    double deadline; /* as loop_monotonic() counts; 0 when clear */
    double fires;    /* when the timer does, while it is active */
    void (*on_timeout)(void *data);
    void *data;
    struct timeout *next_spare;
    bool is_unreferenced; /* armed while nobody has it: does not keep the loop running */
};

void timeout_init(struct timeout *timeout, struct loop *loop, void (*on_timeout)(void *data),
                  void *data);
/* Before the memory goes, also inside on_timeout: takes the timer off the loop. May be set again.
 */
void timeout_stop(struct timeout *timeout);

/*
 * One of the loop's own, for what lives too short to arm a timer and take it off again: when it is
 * given back its timer stays, and who comes next finds it armed. An armed spare does not keep the
 * loop running.
 */
struct timeout *timeout_acquire(struct loop *loop, void (*on_timeout)(void *data), void *data);
/* Clears it, and takes `*timeout` back. Also inside on_timeout. */
void timeout_release(struct timeout **timeout);
/* For loop_destroy(). */
void timeout_free_spares(struct loop *loop);

/* For timeout_set(). */
void timeout_arm(struct timeout *timeout);

static inline void timeout_clear(struct timeout *timeout)
{
    timeout->deadline = 0;
}

/* Passes `seconds` from now; 0 clears. Replaces the deadline set before. */
static inline void timeout_set(struct timeout *timeout, double seconds)
{
    assert(seconds >= 0);

    if (seconds <= 0) {
        timeout_clear(timeout);
        return;
    }
    timeout->deadline = loop_monotonic(timeout->loop) + seconds;
    /* An armed timer that is not late for this deadline finds out what is left when it fires. */
    if (!ev_is_active(&timeout->timer) || timeout->fires > timeout->deadline)
        timeout_arm(timeout);
}
