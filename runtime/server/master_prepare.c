/*
 * master_prepare — start-up in order: the control socket, the configuration, limits, sockets,
 * memory, signals.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/log.h"
#include "net/background.h"
#include "net/tls_context.h"
#include "server/master_private.h"
#include "server/predecessor.h"
#include "server/privileges.h"
#include "server/rehearsal.h"
#include "server/watch.h"
#include "shm/shared.h"

#define WORKERS_MAX 256
/* Of sockets that cannot be opened. */
#define ERRORS_BYTES_MAX 65536

unsigned master_worker_count(const struct master *master)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = master->plan.workers > 0 ? master->plan.workers
                     : cores > 0              ? (unsigned)cores
                                              : 1;
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

    master->read = watch_moment();
    rehearsal_run(master->options->config_path, &master->options->installation, &result);
    fputs(result.errors, stderr);
    bool is_good = result.is_good;
    if (is_good) {
        master->plan = result.plan;
        master->bundle_fd = result.bundle_fd;
        master->inventory_fd = result.inventory_fd;
        result.bundle_fd = result.inventory_fd = -1;
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
    sockets_init(&none, master_worker_count(master));
    bool are_open = sockets_open(&master->sockets, &master->plan, &none, &NO_PLAN, &errors);
    fprintf(stderr, "%.*s", SLICE_FORMAT(buffer_slice(&errors)));
    buffer_clear(&errors);
    if (are_open)
        sockets_announce(&master->sockets, &master->plan, &none);
    return are_open;
}

bool master_prepare(struct master *master)
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
    if (master->control != NULL && control_follows_crash(master->control))
        predecessor_await(plan);
    if (!open_sockets(master))
        return false;
    struct shared_options memory = {.workers = master_worker_count(master),
                                    .counters_bytes = plan->memory_counters,
                                    .limits_bytes = plan->memory_limits,
                                    .dict_bytes = plan->memory_dict};
    master->shared = shared_create(&memory);
    if (master->shared == NULL || RAND_bytes(secret, sizeof(secret)) != 1) {
        perror("moongate: cannot make the memory that workers share");
        return false;
    }
    tls_context_set_ticket_secret(secret);
    return open_signals(master);
}
