/*
 * timeout — a lazy deadline over a libev timer.
 */
#include "net/timeout.h"

#include <assert.h>

/* Rounding between the loop's clock and the timer's, in seconds. */
#define ROUNDING 1e-6

static void arm(struct timeout *timeout, double seconds)
{
    ev_timer_stop(timeout->loop->ev, &timeout->timer);
    ev_timer_set(&timeout->timer, seconds, 0);
    ev_timer_start(timeout->loop->ev, &timeout->timer);
}

static void on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
    struct timeout *timeout = watcher->data;
    if (timeout->deadline <= 0)
        return;

    double left = timeout->deadline - loop_monotonic(timeout->loop);
    if (left > ROUNDING) {
        arm(timeout, left);
        return;
    }
    timeout->deadline = 0;
    timeout->on_timeout(timeout->data);
}

void timeout_init(struct timeout *timeout, struct loop *loop, void (*on_timeout)(void *data),
                  void *data)
{
    *timeout = (struct timeout){.loop = loop, .on_timeout = on_timeout, .data = data};
    ev_timer_init(&timeout->timer, on_timer, 0, 0);
    timeout->timer.data = timeout;
}

void timeout_set(struct timeout *timeout, double seconds)
{
    assert(seconds >= 0);

    if (seconds <= 0) {
        timeout_clear(timeout);
        return;
    }
    timeout->deadline = loop_monotonic(timeout->loop) + seconds;
    /* An armed timer that is not late for this deadline finds out what is left when it fires. */
    if (!ev_is_active(&timeout->timer) ||
        ev_timer_remaining(timeout->loop->ev, &timeout->timer) > seconds + ROUNDING)
        arm(timeout, seconds);
}

void timeout_clear(struct timeout *timeout)
{
    timeout->deadline = 0;
}

void timeout_stop(struct timeout *timeout)
{
    timeout->deadline = 0;
    ev_timer_stop(timeout->loop->ev, &timeout->timer);
}
