/*
 * master — a loop that waits for signals and workers, from the first of them to the last.
 */
#include "server/master.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/command_line.h"
#include "server/master_private.h"
#include "server/service_manager.h"
#include "shm/shared.h"

static bool is_stranger(const struct master *master, pid_t pid)
{
    for (unsigned i = 0; i < master->workforce.options.count; i++) {
        if (master->workforce.members[i].pid == pid)
            return false;
    }
    return master->nursery.pid != pid;
}

/* The kernel tells of the oldest one that has ended. If that is somebody's, its signal comes, too.
 * The gateway that has taken our place is left to who comes after us. */
void master_reap_strangers(const struct master *master)
{
    bool is_reading = master->desk != NULL && reload_desk_is_reading(master->desk);
    siginfo_t ended = {0};

    if (is_reading || master->upgrade != NULL || master->is_leaving ||
        workforce_expects(&master->workforce))
        return;
    while (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0 &&
           is_stranger(master, ended.si_pid) && waitpid(ended.si_pid, NULL, WNOHANG) > 0)
        ended.si_pid = 0;
}

static void on_signal(struct master *master, unsigned number)
{
    switch (number) {
    case SIGCHLD:
        workforce_reap(&master->workforce);
        nursery_reap(&master->nursery);
        if (master->upgrade != NULL)
            upgrade_reap(master->upgrade);
        master_reap_strangers(master);
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

static void fail(struct master *master)
{
    master->has_failed = true;
    master_stop(master);
}

static void serve_control(struct master *master)
{
    if (master->control != NULL)
        control_serve(master->control, master->loop, master_on_request, master);
}

static void on_ready(void *data)
{
    struct master *master = data;

    bool is_upgrade = master->predecessor != NULL;
    if (master->is_ready || master->workforce.is_stopping)
        return;
    if (is_upgrade && !master_take_over(master)) {
        fail(master);
        return;
    }
    master->is_ready = true;
    history_succeed(&master->history, master->workforce.options.worker.generation,
                    is_upgrade ? CAUSE_UPGRADE : CAUSE_START);
    master_publish_news(master);
    if (master->desk != NULL) {
        reload_desk_open(
            master->desk,
            &(struct reload_opening){master->read, master->read_cpu_seconds, master->inventory_fd});
        master->inventory_fd = -1;
    }
    log_write(LOG_INFO, "ready");
    if (!is_upgrade) {
        service_manager_tell_ready();
        return;
    }
    serve_control(master);
    master_dismiss_predecessor(master);
}

/* Once all have served, a worker that cannot is tried again and again; before, it is the end. */
static void on_failed(void *data)
{
    struct master *master = data;

    if (!master->is_ready && !master->has_failed)
        fail(master);
}

static void on_empty(void *data)
{
    master_end_if_alone(data);
}

static void on_message(void *data, unsigned worker, const struct channel_message *message)
{
    struct master *master = data;

    if (message->kind == CHANNEL_ASK)
        master_on_ask(master, worker, message);
    else if (message->kind == CHANNEL_STARTED && !master->is_ready)
        master_fail_upgrade(master, message->text);
    else if (master->desk != NULL)
        reload_desk_on_message(master->desk, worker, message);
}

static void on_death(void *data, unsigned worker)
{
    struct master *master = data;
    if (master->is_ready)
        deputies_on_death(&master->deputies, worker);
    if (master->desk != NULL)
        reload_desk_on_death(master->desk, worker);
    /* While another gateway serves, nothing is tried again. */
    if (master->predecessor != NULL && !master->is_ready && !master->has_failed) {
        master_fail_upgrade(master, SLICE("a worker ended before it served: see the log\n"));
        fail(master);
    }
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
    if (!master->workforce.is_stopping) {
        deputies_renew(&master->deputies);
        nursery_follow(&master->nursery);
    }
    master_reap_strangers(master);
    master_publish_news(master);
}

/* The first workers have waited for it; whatever has become of it, they start. */
static void on_nursery_settled(void *data)
{
    struct master *master = data;

    if (master->has_workers || master->workforce.is_stopping)
        return;
    master->has_workers = true;
    workforce_start(&master->workforce);
}

static void in_child(void *data)
{
    struct master *master = data;

    close(master->signal_fd);
    descriptor_close(&master->inventory_fd);
    close(master->lifeline[0]);
    if (master->predecessor != NULL)
        predecessor_abandon(&master->predecessor);
    if (master->upgrade != NULL)
        upgrade_abandon(&master->upgrade);
    if (master->control != NULL)
        control_abandon(&master->control);
    history_clear(&master->history);
    if (master->desk != NULL)
        reload_desk_abandon(&master->desk);
    vigil_stop(&master->vigil);
    deputies_clear(&master->deputies);
    nursery_abandon(&master->nursery);
    workforce_abandon(&master->workforce);
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

static void on_look(void *data, unsigned worker, double seconds)
{
    struct master *master = data;
    bool is_away =
        !workforce_is_ready(&master->workforce, worker) || seconds > DEPUTIES_TURN_SECONDS;

    if (master->is_ready && !master->workforce.is_stopping)
        deputies_note(&master->deputies, worker, is_away);
}

static void begin_vigil(struct master *master)
{
    struct deputies_options deputies = {.workforce = &master->workforce,
                                        .sockets = &master->sockets,
                                        .generation = &master->workforce.options.worker.generation};
    struct vigil_options options = {.loop = master->loop,
                                    .workforce = &master->workforce,
                                    .shared = master->shared,
                                    .turn_seconds = &master->plan.turn_seconds,
                                    .on_look = on_look,
                                    .data = master};

    deputies_init(&master->deputies, &deputies);
    vigil_start(&master->vigil, &options);
}

static bool is_unsettled(void *data)
{
    const struct master *master = data;
    return master->desk != NULL && reload_desk_is_busy(master->desk);
}

static void begin_workers(struct master *master)
{
    struct nursery_options options = {.loop = master->loop,
                                      .worker = &master->workforce.options.worker,
                                      .is_unsettled = is_unsettled,
                                      .settled = on_nursery_settled,
                                      .in_child = in_child,
                                      .data = master};

    nursery_init(&master->nursery, &options);
    if (!nursery_begin(&master->nursery))
        on_nursery_settled(master);
}

static void supervise(struct master *master)
{
    struct workforce_options options = {.loop = master->loop,
                                        .worker = {.config_path = master->options->config_path,
                                                   .bundle_fd = master->bundle_fd,
                                                   .generation = master->history.generation + 1,
                                                   .installation = &master->options->installation,
                                                   .plan = &master->plan,
                                                   .sockets = &master->sockets,
                                                   .shared = master->shared,
                                                   .waits_to_listen = master->predecessor != NULL},
                                        .count = master_worker_count(master),
                                        .nursery = &master->nursery,
                                        .on_ready = on_ready,
                                        .on_message = on_message,
                                        .on_death = on_death,
                                        .on_restart = on_restart,
                                        .on_failed = on_failed,
                                        .on_empty = on_empty,
                                        .in_child = in_child,
                                        .data = master};

    ev_io_init(&master->signals, on_signals, master->signal_fd, EV_READ);
    master->signals.data = master;
    master_prepare_end(master);
    ev_io_start(master->loop->ev, &master->signals);
    workforce_init(&master->workforce, &options);
    create_desk(master);
    begin_vigil(master);
    begin_workers(master);
    if (master->predecessor == NULL)
        serve_control(master);
    loop_run(master->loop);
    log_write(LOG_INFO, "stopped");
    if (master->desk != NULL)
        reload_desk_destroy(&master->desk);
    vigil_stop(&master->vigil);
    deputies_clear(&master->deputies);
    nursery_end(&master->nursery);
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

/* Files go last, when all that they stand for is gone: unless they are another gateway's. */
static void release(struct master *master)
{
    sockets_close(&master->sockets);
    if (master->shared != NULL)
        shared_destroy(&master->shared);
    descriptor_close(&master->signal_fd);
    descriptor_close(&master->bundle_fd);
    descriptor_close(&master->inventory_fd);
    descriptor_close(&master->lifeline[0]);
    descriptor_close(&master->lifeline[1]);
    if (master->control != NULL && master->predecessor != NULL && !master->is_ready)
        control_give_up(&master->control);
    else if (master->control != NULL)
        close_control(master);
    if (master->predecessor != NULL)
        predecessor_destroy(&master->predecessor);
    if (master->loop != NULL)
        loop_destroy(&master->loop);
    history_clear(&master->history);
}

int master_run(const struct master_options *options)
{
    struct master master = {.options = options,
                            .bundle_fd = -1,
                            .inventory_fd = -1,
                            .lifeline = {-1, -1},
                            .started = clock_wall(),
                            .signal_fd = -1};
    int code = EXIT_FAILED;

    if (master_prepare(&master)) {
        master.loop = loop_create();
        supervise(&master);
        code = master.has_failed ? EXIT_FAILED : EXIT_DONE;
    }
    release(&master);
    return code;
}
