/*
 * master — start-up in order, then a loop that waits for signals and workers.
 */
#include "server/master.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/background.h"
#include "net/loop.h"
#include "net/tls_context.h"
#include "server/command_line.h"
#include "server/control.h"
#include "server/history.h"
#include "server/privileges.h"
#include "server/rehearsal.h"
#include "server/renewal.h"
#include "server/sockets.h"
#include "server/standing.h"
#include "server/workforce.h"
#include "shm/shared.h"

/* Workers drain for the plan's time; then they have this long to notice that it is over. */
#define KILL_MARGIN_SECONDS 2.0
/* For those who have sent the first packet of a connection to send the third; nobody on this
 * machine needs any. */
#define HANDSHAKE_SECONDS 0.2
#define WORKERS_MAX       256
/* Of sockets that cannot be opened. */
#define ERRORS_BYTES_MAX 65536

struct master {
    const struct master_options *options;
    struct plan plan;
    int bundle_fd; /* what was read of the configuration, for workers that start later, too */
    struct sockets sockets;
    struct shared *shared;
    struct loop *loop;
    struct workforce workforce;
    struct renewal renewal;
    struct history history;
    struct control *control; /* NULL: none */
    double started;          /* seconds since the epoch */
    int signal_fd;
    ev_io signals;
    ev_timer barred;   /* stopping: until nobody is in the middle of connecting */
    ev_timer patience; /* then: until workers are killed */
    bool is_ready, has_failed;
};

static unsigned worker_count(const struct plan *plan)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = plan->workers > 0 ? plan->workers : cores > 0 ? (unsigned)cores : 1;
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* As many descriptors as the system allows: each connection is one. Where we are root, threads in
 * the background of workers, which are not, may be idle and be raised again. */
static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_max < BACKGROUND_NICE_LIMIT) {
        limit.rlim_cur = limit.rlim_max = BACKGROUND_NICE_LIMIT;
        setrlimit(RLIMIT_NICE, &limit);
    }
}

/* Blocked before the first fork, so that each worker unblocks them when it knows what to do. */
static bool open_signals(struct master *master)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    master->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return master->signal_fd >= 0;
}

/* Errors of the configuration have been printed, all of them. */
static bool rehearse(struct master *master)
{
    struct rehearsal_result result;

    rehearsal_run(master->options->config_path, &master->options->installation, &result);
    fputs(result.errors, stderr);
    bool is_good = result.is_good;
    if (is_good) {
        master->plan = result.plan;
        master->bundle_fd = result.bundle_fd;
        result.bundle_fd = -1;
    }
    rehearsal_result_clear(&result);
    return is_good;
}

/* False when another gateway runs with this configuration, which has been said. */
static bool open_control(struct master *master)
{
    char error[CONTROL_ERROR_BYTES];
    const char *config_path = master->options->config_path;

    switch (control_open(config_path, &master->control, error)) {
    case CONTROL_OPEN:
        return true;
    case CONTROL_TAKEN:
        fprintf(stderr, "%s: %s\n", config_path, error);
        return false;
    case CONTROL_IMPOSSIBLE:
        log_write(LOG_WARNING, "%s", error);
        return true;
    }
    return false;
}

static bool open_sockets(struct master *master)
{
    static const struct plan NO_PLAN;
    struct sockets none;
    struct buffer errors;

    buffer_init(&errors, ERRORS_BYTES_MAX, NULL);
    sockets_init(&none, worker_count(&master->plan));
    bool are_open = sockets_open(&master->sockets, &master->plan, &none, &NO_PLAN, &errors);
    fprintf(stderr, "%.*s", SLICE_FORMAT(buffer_slice(&errors)));
    buffer_clear(&errors);
    if (are_open)
        sockets_announce(&master->sockets, &master->plan, &none);
    return are_open;
}

/* What must be there before the first worker; each failure has been printed. */
static bool prepare(struct master *master)
{
    unsigned char secret[TLS_TICKET_SECRET_BYTES];
    struct plan *plan = &master->plan;

    if (!open_control(master) || !rehearse(master))
        return false;
    log_configure(plan->log_level, plan->log_format);
    log_set_process("master");
    if (!privileges_user_exists(plan->user)) {
        fprintf(stderr, "%s: there is no user \"%s\"\n", master->options->config_path, plan->user);
        return false;
    }
    raise_limits();
    if (!open_sockets(master))
        return false;
    struct shared_options memory = {.workers = worker_count(plan),
                                    .counters_bytes = plan->memory_counters,
                                    .limits_bytes = plan->memory_limits,
                                    .dict_bytes = plan->memory_dict};
    master->shared = shared_create(&memory);
    if (master->shared == NULL || RAND_bytes(secret, sizeof(secret)) != 1) {
        perror("moongate: cannot make the memory that workers share");
        return false;
    }
    tls_context_set_ticket_secret(secret);
    return true;
}

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
    ev_timer_set(&master->patience, master->plan.drain_seconds + KILL_MARGIN_SECONDS,
                 KILL_MARGIN_SECONDS);
    ev_timer_start(master->loop->ev, &master->patience);
    workforce_signal(&master->workforce, SIGTERM);
}

static void stop(struct master *master)
{
    if (master->workforce.is_stopping) { /* asked again: no more patience */
        workforce_signal(&master->workforce, SIGKILL);
        return;
    }
    log_write(LOG_INFO, "stopping");
    renewal_clear(&master->renewal);
    workforce_stop(&master->workforce);
    bool is_somebody_far = sockets_bar(&master->sockets, NULL);
    ev_timer_set(&master->barred, is_somebody_far ? HANDSHAKE_SECONDS : 0, 0);
    ev_timer_start(master->loop->ev, &master->barred);
}

/* Ends with us: whoever asked to stop is answered by control_answer_all(), last of all. */
static void answer_stop(struct master *master, struct control_client *client)
{
    double seconds = master->plan.drain_seconds + 2 * KILL_MARGIN_SECONDS;

    control_promise(client, seconds);
    if (!master->workforce.is_stopping)
        stop(master);
}

static void answer_status(struct master *master, struct control_client *client)
{
    struct standing standing = {.config_path = master->options->config_path,
                                .started = master->started,
                                .history = &master->history,
                                .workforce = &master->workforce,
                                .is_ready = master->is_ready};
    struct buffer text;

    buffer_init(&text, STANDING_BYTES_MAX, NULL);
    if (control_wants_json(client))
        standing_print_json(&standing, &text);
    else
        standing_print(&standing, &text);
    control_answer(client, true, buffer_slice(&text));
    buffer_clear(&text);
}

static void on_request(void *data, struct control_client *client, struct slice verb)
{
    struct master *master = data;

    if (slice_equals(verb, SLICE("status")))
        answer_status(master, client);
    else if (slice_equals(verb, SLICE("stop")))
        answer_stop(master, client);
    else
        control_answer(client, false, SLICE("this gateway does not know that verb\n"));
}

static void on_signal(struct master *master, unsigned number)
{
    switch (number) {
    case SIGCHLD:
        workforce_reap(&master->workforce);
        break;
    case SIGTERM:
    case SIGINT:
        stop(master);
        break;
    case SIGUSR1:
        workforce_signal(&master->workforce, SIGUSR1);
        break;
    case SIGHUP:
        if (master->is_ready && !master->workforce.is_stopping)
            renewal_begin(&master->renewal);
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

/* For /status, /ready and /metrics, whichever worker is asked. */
static void publish_news(struct master *master)
{
    struct buffer text;

    buffer_init(&text, NOTICE_BYTES_MAX, NULL);
    standing_print_news(&master->history, &text);
    notice_publish(&master->shared->notice, buffer_slice(&text));
    buffer_clear(&text);
}

static void on_ready(void *data)
{
    struct master *master = data;

    if (master->is_ready)
        return;
    master->is_ready = true;
    history_succeed(&master->history, 1, CAUSE_START);
    publish_news(master);
    log_write(LOG_INFO, "ready");
}

/* Once all have served, a worker that cannot is tried again and again; before, it is the end. */
static void on_failed(void *data)
{
    struct master *master = data;

    if (master->is_ready)
        return;
    master->has_failed = true;
    stop(master);
}

static void on_empty(void *data)
{
    struct master *master = data;
    loop_stop(master->loop);
}

static void on_message(void *data, unsigned worker, const struct channel_message *message)
{
    struct master *master = data;
    renewal_on_message(&master->renewal, worker, message);
}

static void on_death(void *data, unsigned worker)
{
    struct master *master = data;
    renewal_on_death(&master->renewal, worker);
}

static void on_renewed(void *data, bool is_new, struct slice errors)
{
    struct master *master = data;
    uint64_t generation = master->workforce.options.worker.generation;

    if (errors.length > 0) {
        history_fail(&master->history, CAUSE_SIGNAL, errors);
        log_write(LOG_ERROR, "the configuration was not reloaded: %.*s", SLICE_FORMAT(errors));
    } else if (!is_new) {
        history_settle(&master->history);
        log_write(LOG_INFO, "the configuration is the same as before");
    } else {
        history_succeed(&master->history, generation, CAUSE_SIGNAL);
        log_configure(master->plan.log_level, master->plan.log_format);
        log_write(LOG_INFO, "generation %llu serves", (unsigned long long)generation);
    }
    publish_news(master);
}

static void in_child(void *data)
{
    struct master *master = data;

    close(master->signal_fd);
    if (master->control != NULL)
        control_abandon(&master->control);
    history_clear(&master->history);
    renewal_abandon(&master->renewal);
    loop_abandon(&master->loop);
}

static void begin_renewals(struct master *master)
{
    struct worker_options *worker = &master->workforce.options.worker;
    struct renewal_options options = {.loop = master->loop,
                                      .config_path = master->options->config_path,
                                      .installation = &master->options->installation,
                                      .workforce = &master->workforce,
                                      .subject = {.plan = &master->plan,
                                                  .bundle_fd = &worker->bundle_fd,
                                                  .sockets = &master->sockets,
                                                  .generation = &worker->generation},
                                      .ended = on_renewed,
                                      .data = master};

    renewal_init(&master->renewal, &options);
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
                                        .count = worker_count(&master->plan),
                                        .on_ready = on_ready,
                                        .on_message = on_message,
                                        .on_death = on_death,
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
    begin_renewals(master);
    workforce_start(&master->workforce);
    if (master->control != NULL)
        control_serve(master->control, master->loop, on_request, master);
    loop_run(master->loop);
    log_write(LOG_INFO, "stopped");
    renewal_clear(&master->renewal);
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
    struct master master = {
        .options = options, .bundle_fd = -1, .started = clock_wall(), .signal_fd = -1};
    int code = EXIT_FAILED;

    if (prepare(&master) && open_signals(&master)) {
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
    if (master.control != NULL)
        close_control(&master);
    if (master.loop != NULL)
        loop_destroy(&master.loop);
    history_clear(&master.history);
    return code;
}
