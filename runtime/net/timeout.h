/*
 * timeout — a deadline that is moved far more often than it passes.
 *
 * Moving or clearing one is a store: the timer below it is armed once and, when it fires
 * early, re-arms itself for what is left. So a request that sets and clears four
 * deadlines touches no heap. Wall-clock jumps do not move deadlines.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "net/loop.h"

struct timeout {
    ev_timer timer;
    struct loop *loop;
    double deadline; /* as loop_monotonic() counts; 0 when clear */
    void (*on_timeout)(void *data);
    void *data;
};

void timeout_init(struct timeout *timeout, struct loop *loop, void (*on_timeout)(void *data),
                  void *data);
/* Passes `seconds` from now; 0 clears. Replaces the deadline set before. */
void timeout_set(struct timeout *timeout, double seconds);
void timeout_clear(struct timeout *timeout);
/* Before the memory goes, also inside on_timeout: takes the timer off the loop. May be set again.
 */
void timeout_stop(struct timeout *timeout);
