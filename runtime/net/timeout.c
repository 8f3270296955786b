/*
 * timeout — a lazy deadline over a libev timer.
 */
#include "net/timeout.h"

#include "base/mem.h"

/* Rounding between the loop's clock and the timer's, in seconds. */
#define ROUNDING 1e-6

void timeout_arm(struct timeout *timeout)
{
    struct ev_loop *ev = timeout->loop->ev;

    ev_timer_stop(ev, &timeout->timer);
    ev_timer_set(&timeout->timer, timeout->deadline - loop_monotonic(timeout->loop), 0);
    ev_timer_start(ev, &timeout->timer);
    timeout->fires = timeout->deadline;
}

static void keep_running(struct timeout *timeout)
{
    if (timeout->is_unreferenced)
        ev_ref(timeout->loop->ev);
    timeout->is_unreferenced = false;
}

static void on_timer(struct ev_loop *ev, ev_timer *watcher, int events)
{
    struct timeout *timeout = watcher->data;

    keep_running(timeout); /* libev has stopped the timer, and taken its reference once more */
    if (timeout->deadline <= 0)
        return;
    if (timeout->deadline - loop_monotonic(timeout->loop) > ROUNDING) {
        timeout_arm(timeout);
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

void timeout_stop(struct timeout *timeout)
{
    timeout->deadline = 0;
    if (ev_is_active(&timeout->timer) || ev_is_pending(&timeout->timer))
        ev_timer_stop(timeout->loop->ev, &timeout->timer);
}

struct timeout *timeout_acquire(struct loop *loop, void (*on_timeout)(void *data), void *data)
{
    struct timeout *timeout = loop->spare_timeouts;

    if (timeout == NULL) {
        timeout = mem_alloc(sizeof(*timeout));
        timeout_init(timeout, loop, on_timeout, data);
        return timeout;
    }
    loop->spare_timeouts = timeout->next_spare;
    loop->spare_timeout_count--;
    keep_running(timeout);
    timeout->on_timeout = on_timeout;
    timeout->data = data;
    return timeout;
}

void timeout_release(struct timeout **timeout)
{
    struct timeout *released = *timeout;
    struct loop *loop = released->loop;

    *timeout = NULL;
    if (loop->spare_timeout_count == TIMEOUT_SPARES_MAX) {
        timeout_stop(released);
        free(released);
        return;
    }
    timeout_clear(released);
    if (ev_is_active(&released->timer)) {
        released->is_unreferenced = true;
        ev_unref(loop->ev);
    }
    released->next_spare = loop->spare_timeouts;
    loop->spare_timeouts = released;
    loop->spare_timeout_count++;
}

void timeout_free_spares(struct loop *loop)
{
    while (loop->spare_timeouts != NULL) {
        struct timeout *timeout = timeout_acquire(loop, NULL, NULL);
        timeout_stop(timeout);
        free(timeout);
    }
}
