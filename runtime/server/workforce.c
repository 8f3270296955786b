/*
 * workforce — fork, waitpid, and one pipe per worker that tells when it serves.
 */
#include "server/workforce.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "shm/shared.h"

void workforce_init(struct workforce *workforce, const struct worker_options *options,
                    unsigned count)
{
    *workforce = (struct workforce){.options = *options, .count = count};
    workforce->members = mem_zeroed_array(count, sizeof(*workforce->members));
    for (unsigned i = 0; i < count; i++)
        workforce->members[i].ready_fd = -1;
}

void workforce_clear(struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->count; i++) {
        if (workforce->members[i].ready_fd >= 0)
            close(workforce->members[i].ready_fd);
    }
    free(workforce->members);
    *workforce = (struct workforce){0};
}

static void become_worker(struct workforce *workforce, unsigned index, int ready_fd, pid_t master)
{
    struct worker_options options = workforce->options;

    prctl(PR_SET_PDEATHSIG, SIGTERM); /* no worker outlives its master */
    if (getppid() != master)
        _exit(1);
    for (unsigned i = 0; i < workforce->count; i++) {
        if (workforce->members[i].ready_fd >= 0)
            close(workforce->members[i].ready_fd);
    }
    free(workforce->members);
    options.index = index;
    options.ready_fd = ready_fd;
    exit(worker_run(&options));
}

bool workforce_start(struct workforce *workforce, unsigned index)
{
    struct workforce_member *member = &workforce->members[index];
    pid_t master = getpid();
    int pipes[2];

    if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) != 0)
        return false;
    pid_t pid = fork();
    if (pid == 0) {
        close(pipes[0]);
        become_worker(workforce, index, pipes[1], master);
    }
    close(pipes[1]);
    if (pid < 0) {
        close(pipes[0]);
        return false;
    }
    *member =
        (struct workforce_member){.pid = pid, .ready_fd = pipes[0], .started = clock_monotonic()};
    return true;
}

static void log_end(unsigned index, pid_t pid, int status)
{
    if (WIFSIGNALED(status))
        log_write(LOG_ERROR, "worker %u (pid %d) was ended by signal %d", index + 1, (int)pid,
                  WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        log_write(LOG_ERROR, "worker %u (pid %d) exited with %d", index + 1, (int)pid,
                  WEXITSTATUS(status));
}

static void on_end(struct workforce *workforce, unsigned index, int status)
{
    struct workforce_member *member = &workforce->members[index];
    double now = clock_monotonic();

    log_end(index, member->pid, status);
    if (member->is_ready)
        workforce->ready_count--;
    else if (WIFEXITED(status) && WEXITSTATUS(status) == 1 && !workforce->is_stopping)
        workforce->has_failed = true;
    if (member->ready_fd >= 0)
        close(member->ready_fd);
    shared_forget_worker(workforce->options.shared, index);
    bool was_short = now - member->started < WORKFORCE_PAUSE_SECONDS;
    *member = (struct workforce_member){.ready_fd = -1};
    if (!workforce->is_stopping)
        member->restart_at = was_short ? now + WORKFORCE_PAUSE_SECONDS : now;
}

void workforce_reap(struct workforce *workforce)
{
    pid_t pid;
    int status;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (unsigned i = 0; i < workforce->count; i++) {
            if (workforce->members[i].pid == pid)
                on_end(workforce, i, status);
        }
    }
}

double workforce_restart_due(struct workforce *workforce)
{
    double now = clock_monotonic(), next = -1;

    for (unsigned i = 0; i < workforce->count; i++) {
        struct workforce_member *member = &workforce->members[i];
        if (member->pid != 0 || member->restart_at == 0 || workforce->is_stopping)
            continue;
        if (member->restart_at <= now && !workforce_start(workforce, i))
            member->restart_at = now + WORKFORCE_PAUSE_SECONDS;
        if (member->pid == 0 && (next < 0 || member->restart_at - now < next))
            next = member->restart_at - now;
    }
    return next;
}

bool workforce_hear(struct workforce *workforce)
{
    unsigned before = workforce->ready_count;
    char byte;

    for (unsigned i = 0; i < workforce->count; i++) {
        struct workforce_member *member = &workforce->members[i];
        if (member->ready_fd < 0)
            continue;
        ssize_t count = read(member->ready_fd, &byte, 1);
        if (count < 0)
            continue;
        if (count == 1) {
            member->is_ready = true;
            workforce->ready_count++;
        }
        close(member->ready_fd);
        member->ready_fd = -1;
    }
    return before < workforce->count && workforce->ready_count == workforce->count;
}

void workforce_signal(struct workforce *workforce, int signal_number)
{
    for (unsigned i = 0; i < workforce->count; i++) {
        if (workforce->members[i].pid != 0)
            kill(workforce->members[i].pid, signal_number);
    }
}

bool workforce_is_empty(const struct workforce *workforce)
{
    for (unsigned i = 0; i < workforce->count; i++) {
        if (workforce->members[i].pid != 0)
            return false;
    }
    return true;
}
