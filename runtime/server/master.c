/*
 * master — a loop that waits for signals and workers, from the first of them to the last.
 */
#include "server/master.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/command_line.h"
#include "server/master_private.h"
#include "shm/shared.h"

/* For those who have sent the first packet of a connection to send the third; nobody on this
 * machine needs any. */
#define HANDSHAKE_SECONDS 0.2

static void on_patience_lost(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct master *master = timer->data;
    workforce_signal(&master->workforce, SIGKILL);
}

/* Nobody is in the middle of connecting: workers accept what waits, then close their sockets. */
static void on_barred(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct master *master = timer->data;

    sockets_close(&master->sockets);
    ev_timer_set(&master->patience, master->plan.drain_seconds + MASTER_KILL_MARGIN_SECONDS,
                 MASTER_KILL_MARGIN_SECONDS);
    ev_timer_start(master->loop->ev, &master->patience);
    workforce_signal(&master->workforce, SIGTERM);
}

void master_stop(struct master *master)
{
    if (master->workforce.is_stopping) { /* asked again: no more patience */
        workforce_signal(&master->workforce, SIGKILL);
        return;
    }
    log_write(LOG_INFO, "stopping");
    reload_desk_destroy(&master->desk);
    workforce_stop(&master->workforce);
    bool is_somebody_far = sockets_bar(&master->sockets, &master->plan, NULL);
    ev_timer_set(&master->barred, is_somebody_far ? HANDSHAKE_SECONDS : 0, 0);
    ev_timer_start(master->loop->ev, &master->barred);
}

static void on_signal(struct master *master, unsigned number)
{
    switch (number) {
    case SIGCHLD:
        workforce_reap(&master->workforce);
        break;
    case SIGTERM:
    case SIGINT:
        master_stop(master);
        break;
    case SIGUSR1:
        workforce_signal(&master->workforce, SIGUSR1);
        break;
    case SIGHUP:
        if (master->desk != NULL)
            reload_desk_ask(master->desk, RELOAD_FILES, CAUSE_SIGNAL, &RELOAD_NOBODY);
        break;
    default:
        break;
    }
}

static void on_signals(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct master *master = watcher->data;
    struct signalfd_siginfo info;

    while (read(master->signal_fd, &info, sizeof(info)) == sizeof(info))
        on_signal(master, info.ssi_signo);
}

static void on_ready(void *data)
{
    struct master *master = data;

    if (master->is_ready)
        return;
    master->is_ready = true;
    history_succeed(&master->history, 1, CAUSE_START);
    master_publish_news(master);
    if (master->desk != NULL) {
        reload_desk_open(master->desk, master->read, master->inventory_fd);
        master->inventory_fd = -1;
    }
    log_write(LOG_INFO, "ready");
}

/* Once all have served, a worker that cannot is tried again and again; before, it is the end. */
static void on_failed(void *data)
{
    struct master *master = data;

    if (master->is_ready)
        return;
    master->has_failed = true;
    master_stop(master);
}

static void on_empty(void *data)
{
    struct master *master = data;
    loop_stop(master->loop);
}

static void on_message(void *data, unsigned worker, const struct channel_message *message)
{
    struct master *master = data;

    if (message->kind == CHANNEL_ASK)
        master_on_ask(master, worker, message);
    else if (master->desk != NULL)
        reload_desk_on_message(master->desk, worker, message);
}

static void on_death(void *data, unsigned worker)
{
    struct master *master = data;
    if (master->desk != NULL)
        reload_desk_on_death(master->desk, worker);
}

static void on_restart(void *data)
{
    struct master *master = data;
    if (master->is_ready)
        master_publish_news(master);
}

static void on_history(void *data)
{
    struct master *master = data;

    log_configure(master->plan.log_level, master->plan.log_format);
    master_publish_news(master);
}

static void in_child(void *data)
{
    struct master *master = data;

    close(master->signal_fd);
    if (master->inventory_fd >= 0)
        close(master->inventory_fd);
    if (master->control != NULL)
        control_abandon(&master->control);
    history_clear(&master->history);
    if (master->desk != NULL)
        reload_desk_abandon(&master->desk);
    vigil_stop(&master->vigil);
    loop_abandon(&master->loop);
}

static void create_desk(struct master *master)
{
    struct worker_options *worker = &master->workforce.options.worker;
    struct reload_desk_options options = {.reload = {.loop = master->loop,
                                                     .config_path = master->options->config_path,
                                                     .installation = &master->options->installation,
                                                     .workforce = &master->workforce,
                                                     .subject = {.plan = &master->plan,
                                                                 .bundle_fd = &worker->bundle_fd,
                                                                 .sockets = &master->sockets,
                                                                 .generation = &worker->generation},
                                                     .history = &master->history},
                                          .on_history = on_history,
                                          .data = master};

    master->desk = reload_desk_create(&options);
}

static void begin_vigil(struct master *master)
{
    struct vigil_options options = {.loop = master->loop,
                                    .workforce = &master->workforce,
                                    .shared = master->shared,
                                    .turn_seconds = &master->plan.turn_seconds};
    vigil_start(&master->vigil, &options);
}

static void supervise(struct master *master)
{
    struct workforce_options options = {.loop = master->loop,
                                        .worker = {.config_path = master->options->config_path,
                                                   .bundle_fd = master->bundle_fd,
                                                   .generation = 1,
                                                   .installation = &master->options->installation,
                                                   .plan = &master->plan,
                                                   .sockets = &master->sockets,
                                                   .shared = master->shared},
                                        .count = master_worker_count(master),
                                        .on_ready = on_ready,
                                        .on_message = on_message,
                                        .on_death = on_death,
                                        .on_restart = on_restart,
                                        .on_failed = on_failed,
                                        .on_empty = on_empty,
                                        .in_child = in_child,
                                        .data = master};

    ev_io_init(&master->signals, on_signals, master->signal_fd, EV_READ);
    ev_init(&master->barred, on_barred);
    ev_init(&master->patience, on_patience_lost);
    master->signals.data = master->barred.data = master->patience.data = master;
    ev_io_start(master->loop->ev, &master->signals);
    workforce_init(&master->workforce, &options);
    create_desk(master);
    begin_vigil(master);
    workforce_start(&master->workforce);
    if (master->control != NULL)
        control_serve(master->control, master->loop, master_on_request, master);
    loop_run(master->loop);
    log_write(LOG_INFO, "stopped");
    if (master->desk != NULL)
        reload_desk_destroy(&master->desk);
    vigil_stop(&master->vigil);
    master->bundle_fd = master->workforce.options.worker.bundle_fd;
    workforce_clear(&master->workforce);
    ev_io_stop(master->loop->ev, &master->signals);
    ev_timer_stop(master->loop->ev, &master->barred);
    ev_timer_stop(master->loop->ev, &master->patience);
}

/* Nothing of the gateway is left when those hear of it who wait for that. */
static void close_control(struct master *master)
{
    if (master->loop != NULL)
        control_answer_all(master->control, true, SLICE("stopped\n"),
                           SLICE("{\"ok\":true,\"stopped\":true}\n"));
    control_close(&master->control);
}

int master_run(const struct master_options *options)
{
    struct master master = {.options = options,
                            .bundle_fd = -1,
                            .inventory_fd = -1,
                            .started = clock_wall(),
                            .signal_fd = -1};
    int code = EXIT_FAILED;

    if (master_prepare(&master)) {
        master.loop = loop_create();
        supervise(&master);
        code = master.has_failed ? EXIT_FAILED : EXIT_DONE;
    }
    sockets_close(&master.sockets);
    if (master.shared != NULL)
        shared_destroy(&master.shared);
    if (master.signal_fd >= 0)
        close(master.signal_fd);
    if (master.bundle_fd >= 0)
        close(master.bundle_fd);
    if (master.inventory_fd >= 0)
        close(master.inventory_fd);
    if (master.control != NULL)
        close_control(&master);
    if (master.loop != NULL)
        loop_destroy(&master.loop);
    history_clear(&master.history);
    return code;
}
