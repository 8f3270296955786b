/*
 * master — start-up in order, then a wait for signals.
 */
#include "server/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/tls_context.h"
#include "server/command_line.h"
#include "server/privileges.h"
#include "server/rehearsal.h"
#include "server/sockets.h"
#include "server/workforce.h"
#include "shm/shared.h"

/* Workers drain for the plan's time; then they have this long to notice that it is over. */
#define KILL_MARGIN_SECONDS 2.0
#define WORKERS_MAX         256

struct master {
    const struct master_options *options;
    struct plan plan;
    struct sockets sockets;
    struct shared *shared;
    struct workforce workforce;
    int signal_fd;
    double kill_at; /* monotonic; 0: not stopping */
    bool was_ready;
};

static unsigned worker_count(const struct plan *plan)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = plan->workers > 0 ? plan->workers : cores > 0 ? (unsigned)cores : 1;
    return count < WORKERS_MAX ? count : WORKERS_MAX;
}

/* As many descriptors as the system allows: each connection is one. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static bool watch_signals(struct master *master)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    master->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
    return master->signal_fd >= 0;
}

/* What must be there before the first worker; each failure has been printed. */
static bool prepare(struct master *master)
{
    unsigned char secret[TLS_TICKET_SECRET_BYTES];
    struct plan *plan = &master->plan;

    if (!rehearsal_run(master->options->config_path, &master->options->installation, plan))
        return false;
    log_configure(plan->log_level, plan->log_format);
    log_set_process("master");
    if (!privileges_user_exists(plan->user)) {
        fprintf(stderr, "%s: there is no user \"%s\"\n", master->options->config_path, plan->user);
        return false;
    }
    raise_descriptor_limit();
    if (!sockets_open(&master->sockets, plan, worker_count(plan)))
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

static void stop(struct master *master)
{
    struct workforce *workforce = &master->workforce;

    if (workforce->is_stopping) { /* asked again: no more patience */
        workforce_signal(workforce, SIGKILL);
        return;
    }
    log_write(LOG_INFO, "stopping");
    workforce->is_stopping = true;
    sockets_close(&master->sockets); /* as workers do: who connects now is refused at once */
    master->kill_at = clock_monotonic() + master->plan.drain_seconds + KILL_MARGIN_SECONDS;
    workforce_signal(workforce, SIGTERM);
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
        log_write(LOG_WARNING,
                  "SIGHUP: the configuration is read at start only; restart to change it");
        break;
    default:
        break;
    }
}

static void read_signals(struct master *master)
{
    struct signalfd_siginfo info;
    while (read(master->signal_fd, &info, sizeof(info)) == sizeof(info))
        on_signal(master, info.ssi_signo);
}

static void wait_for_news(struct master *master, double seconds)
{
    struct workforce *workforce = &master->workforce;
    struct pollfd fds[WORKERS_MAX + 1];
    nfds_t count = 0;

    fds[count++] = (struct pollfd){.fd = master->signal_fd, .events = POLLIN};
    for (unsigned i = 0; i < workforce->count; i++) {
        if (workforce->members[i].ready_fd >= 0)
            fds[count++] = (struct pollfd){.fd = workforce->members[i].ready_fd, .events = POLLIN};
    }
    poll(fds, count, seconds < 0 ? -1 : (int)(seconds * 1000) + 1);
    if (workforce_hear(workforce) && !master->was_ready) {
        master->was_ready = true;
        log_write(LOG_INFO, "ready");
    }
    read_signals(master);
}

/* Starts or kills the workers whose time has come: seconds until the next one's, -1: none waits. */
static double keep_time(struct master *master)
{
    struct workforce *workforce = &master->workforce;
    double restart = workforce_restart_due(workforce);
    double left = master->kill_at - clock_monotonic();

    if (!workforce->is_stopping)
        return restart;
    if (left > 0)
        return left;
    workforce_signal(workforce, SIGKILL);
    return KILL_MARGIN_SECONDS;
}

static int supervise(struct master *master)
{
    struct workforce *workforce = &master->workforce;

    while (!workforce->is_stopping || !workforce_is_empty(workforce)) {
        wait_for_news(master, keep_time(master));
        if (workforce->has_failed && !master->was_ready && !workforce->is_stopping)
            stop(master);
    }
    return workforce->has_failed && !master->was_ready ? EXIT_FAILED : EXIT_DONE;
}

static void start_workers(struct master *master)
{
    struct worker_options options = {.config_path = master->options->config_path,
                                     .installation = &master->options->installation,
                                     .plan = &master->plan,
                                     .sockets = &master->sockets,
                                     .shared = master->shared};
    unsigned count = worker_count(&master->plan);

    workforce_init(&master->workforce, &options, count);
    for (unsigned i = 0; i < count; i++) {
        if (!workforce_start(&master->workforce, i))
            master->workforce.members[i].restart_at = clock_monotonic();
    }
}

int master_run(const struct master_options *options)
{
    struct master master = {.options = options, .signal_fd = -1};
    int code = EXIT_FAILED;

    if (prepare(&master) && watch_signals(&master)) {
        sockets_announce(&master.sockets, &master.plan);
        start_workers(&master);
        code = supervise(&master);
        log_write(LOG_INFO, "stopped");
        workforce_clear(&master.workforce);
    }
    if (master.sockets.fds != NULL)
        sockets_close(&master.sockets);
    if (master.shared != NULL)
        shared_destroy(&master.shared);
    if (master.signal_fd >= 0)
        close(master.signal_fd);
    return code;
}
