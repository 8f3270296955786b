/*
 * master_prepare — start-up in order: what another gateway hands over, the control socket, the
 * configuration, limits, sockets, memory, signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "base/log.h"
#include "base/priority.h"
#include "net/tls_context.h"
#include "server/master_private.h"
#include "server/ports.h"
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
    if (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_max < PRIORITY_NICE_LIMIT) {
        limit.rlim_cur = limit.rlim_max = PRIORITY_NICE_LIMIT;
        setrlimit(RLIMIT_NICE, &limit);
    }
}

/* What asks for something else than the end waits until it can be done. */
static void hold_requests(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
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

/* For the log, and for whoever waits for us to take a place. */
static void complain(struct master *master, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void complain(struct master *master, const char *format, ...)
{
    char *text = NULL;
    va_list arguments;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return;
    fputs(text, stderr);
    if (length > 0)
        master_fail_upgrade(master, slice_of(text, (size_t)length));
    free(text);
}

static bool find_predecessor(struct master *master)
{
    switch (predecessor_find(&master->predecessor)) {
    case PREDECESSOR_NONE:
        return true;
    case PREDECESSOR_BROKEN:
        fputs("moongate: another gateway is to be replaced, but does not hand anything over\n",
              stderr);
        return false;
    case PREDECESSOR_FOUND:
        break;
    }
    const struct handover *handover = predecessor_handover(master->predecessor);
    master->history = (struct history){.generation = handover->generation,
                                       .succeeded = handover->succeeded,
                                       .failed = handover->failed};
    return true;
}

static struct handover *handover_of(const struct master *master)
{
    return master->predecessor != NULL ? predecessor_handover(master->predecessor) : NULL;
}

/* Errors of the configuration have been told, all of them. */
static bool rehearse(struct master *master)
{
    struct rehearsal_result result;

    master->read = watch_moment();
    rehearsal_run(master->options->config_path, &master->options->installation, &result);
    complain(master, "%s", result.errors);
    bool is_good = result.is_good;
    master->read_cpu_seconds = result.cpu_seconds;
    if (is_good) {
        master->plan = result.plan;
        master->bundle_fd = result.bundle_fd;
        master->inventory_fd = result.inventory_fd;
        result.bundle_fd = result.inventory_fd = -1;
    }
    rehearsal_result_clear(&result);
    return is_good;
}

/* False when another gateway runs with this configuration, which has been told. */
static bool open_control(struct master *master)
{
    char error[CONTROL_ERROR_BYTES];
    const char *config_path = master->options->config_path;

    struct handover *handover = handover_of(master);
    struct control_doors *inherited = handover != NULL ? &handover->doors : NULL;

    switch (control_open(config_path, inherited, &master->control, error)) {
    case CONTROL_OPEN:
        return true;
    case CONTROL_TAKEN:
        complain(master, "%s: %s\n", config_path, error);
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
    struct handover *handover = handover_of(master);
    unsigned worker_count = master_worker_count(master);

    buffer_init(&errors, ERRORS_BYTES_MAX, NULL);
    sockets_init(&none, worker_count);
    if (handover != NULL)
        handover->sockets.worker_count = worker_count;
    bool are_open =
        sockets_open(&master->sockets, &master->plan, handover != NULL ? &handover->sockets : &none,
                     handover != NULL ? &handover->plan : &NO_PLAN, &errors);
    complain(master, "%.*s", SLICE_FORMAT(buffer_slice(&errors)));
    buffer_clear(&errors);
    if (are_open)
        sockets_announce(&master->sockets, &master->plan, &none);
    return are_open;
}

/* NULL with `master->note`, when another gateway's is not what this one needs. */
static struct shared *adopt_memory(struct master *master, const struct shared_options *options)
{
    struct handover *handover = handover_of(master);
    const char *why;

    if (handover == NULL || handover->memory_fd < 0)
        return NULL;
    struct shared *shared = shared_adopt(handover->memory_fd, options, handover->side, &why);
    if (shared != NULL) {
        handover->memory_fd = -1;
        return shared;
    }
    snprintf(master->note, sizeof(master->note),
             "counters, limits and dictionaries begin anew: the memory that was handed over is not "
             "used, %s",
             why);
    log_write(LOG_WARNING, "%s", master->note);
    return NULL;
}

static bool make_memory(struct master *master)
{
    const struct plan *plan = &master->plan;
    struct shared_options options = {.workers = master_worker_count(master),
                                     .counters_bytes = plan->memory_counters,
                                     .limits_bytes = plan->memory_limits,
                                     .dict_bytes = plan->memory_dict,
                                     .value_bytes = plan->memory_values,
                                     .object_bytes = plan->memory_objects};

    master->shared = adopt_memory(master, &options);
    if (master->shared == NULL)
        master->shared = shared_create(&options);
    if (master->shared == NULL)
        complain(master, "moongate: cannot make the memory that workers share: %s\n",
                 strerrordesc_np(errno));
    return master->shared != NULL;
}

/* TLS sessions go on in whatever worker, and through an upgrade. */
static bool make_tickets(struct master *master)
{
    const struct handover *handover = handover_of(master);

    if (handover != NULL && handover->has_tickets)
        memcpy(master->tickets, handover->tickets, sizeof(master->tickets));
    else if (RAND_bytes(master->tickets, sizeof(master->tickets)) != 1)
        return false;
    tls_context_set_ticket_secret(master->tickets);
    return true;
}

bool master_prepare(struct master *master)
{
    struct plan *plan = &master->plan;

    hold_requests();
    if (!find_predecessor(master) || !open_control(master) || !rehearse(master))
        return false;
    log_configure(plan->log_level, plan->log_format);
    log_set_process("master");
    if (!privileges_user_exists(plan->user)) {
        complain(master, "%s: there is no user \"%s\"\n", master->options->config_path, plan->user);
        return false;
    }
    raise_limits();
    if (master->control != NULL && control_follows_crash(master->control))
        ports_await(plan);
    if (!open_sockets(master) || !make_memory(master))
        return false;
    if (!make_tickets(master) || pipe2(master->lifeline, O_CLOEXEC) != 0 || !open_signals(master)) {
        complain(master, "moongate: cannot start: %s\n", strerrordesc_np(errno));
        return false;
    }
    return true;
}
