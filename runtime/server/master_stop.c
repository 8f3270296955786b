/*
 * master_stop — how a gateway ends: nobody begins to connect any more, workers finish, at last they
 * are killed. The same when another gateway has taken its place, but for the sockets that it has.
 */
#include <signal.h>

#include "base/log.h"
#include "net/loop.h"
#include "server/master_private.h"
#include "server/service_manager.h"

static void on_patience_lost(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct master *master = timer->data;
    workforce_signal(&master->workforce, SIGKILL);
}

/* One that does not serve yet only needs to know that it is not to. */
static void tell_to_leave(struct master *master)
{
    struct workforce *workforce = &master->workforce;
    const struct channel_message message = {.kind = CHANNEL_LEAVE,
                                            .ok = true,
                                            .generation = workforce->options.worker.generation,
                                            .text = slice_from_string(master->kept)};

    for (unsigned i = 0; i < workforce->options.count; i++) {
        if (!workforce_is_ready(workforce, i) || !workforce_send(workforce, i, &message))
            workforce_signal_one(workforce, i, SIGTERM);
    }
}

/* Nobody is in the middle of connecting: workers accept what waits, then close their sockets. */
static void on_barred(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct master *master = timer->data;

    sockets_close(&master->sockets);
    ev_timer_set(&master->patience, master->plan.drain_seconds + MASTER_KILL_MARGIN_SECONDS,
                 MASTER_KILL_MARGIN_SECONDS);
    ev_timer_start(master->loop->ev, &master->patience);
    if (master->is_leaving)
        tell_to_leave(master);
    else
        workforce_signal(&master->workforce, SIGTERM);
}

/* `next`: the sockets that go on without us; NULL: none. */
static void begin_end(struct master *master, const struct sockets *next)
{
    reload_desk_destroy(&master->desk);
    nursery_end(&master->nursery);
    workforce_stop(&master->workforce);
    bool is_somebody_far = sockets_bar(&master->sockets, &master->plan, next);
    ev_timer_set(&master->barred, is_somebody_far ? SOCKETS_HANDSHAKE_SECONDS : 0, 0);
    ev_timer_start(master->loop->ev, &master->barred);
}

/* A gateway whose place was taken is a part of this one until it has ended. */
static bool has_replaced(const struct master *master)
{
    return master->predecessor != NULL && master->is_ready;
}

/* Asked twice, by signals of which neither hides the other, it has no more patience either. */
static void hurry_predecessor(const struct master *master)
{
    if (!has_replaced(master))
        return;
    predecessor_signal(master->predecessor, SIGINT);
    predecessor_signal(master->predecessor, SIGTERM);
}

void master_stop(struct master *master)
{
    if (master->is_leaving && !master->is_told_to_stop) { /* that is what it does */
        master->is_told_to_stop = true;
        return;
    }
    if (master->workforce.is_stopping) { /* asked again: no more patience */
        master->is_impatient = true;
        hurry_predecessor(master);
        workforce_signal(&master->workforce, SIGKILL);
        master_end_if_alone(master);
        return;
    }
    log_write(LOG_INFO, "stopping");
    service_manager_tell_stopping();
    master_cancel_upgrade(master);
    bool is_another_serving = master->predecessor != NULL && !master->is_ready;
    begin_end(master,
              is_another_serving ? &predecessor_handover(master->predecessor)->sockets : NULL);
}

void master_leave(struct master *master)
{
    struct sockets next = {.worker_count = master->sockets.worker_count};

    for (size_t i = 0; i < master->sockets.count && master->kept[i] != '\0'; i++) {
        if (master->kept[i] == '1') /* borrowed: only to compare */
            next.groups[next.count++] = master->sockets.groups[i];
    }
    master->is_leaving = true;
    begin_end(master, &next);
}

void master_end_if_alone(struct master *master)
{
    if (!workforce_is_empty(&master->workforce))
        return;
    if (!has_replaced(master) || master->is_impatient)
        loop_stop(master->loop);
    else
        log_write(LOG_INFO, "the gateway before still finishes its requests");
}

void master_prepare_end(struct master *master)
{
    ev_init(&master->barred, on_barred);
    ev_init(&master->patience, on_patience_lost);
    master->barred.data = master->patience.data = master;
}
