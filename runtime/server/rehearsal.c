/*
 * rehearsal — starts the process, waits for its one message, says how it died without one.
 */
#include "server/rehearsal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/mem.h"
#include "base/priority.h"
#include "server/rehearsal_child.h"

struct rehearsal {
    pid_t pid;
    bool is_idle;
    int fd;
    char *config_path;
};

struct rehearsal *rehearsal_start(const struct rehearsal_options *options)
{
    int ends[2];
    pid_t master = getpid();
    bool becomes_idle = options->is_idle && priority_may_go_back();

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return NULL;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        rehearsal_child_run(options, ends[1], master);
    close(ends[1]);
    if (pid > 0 && becomes_idle)
        priority_set_idle(pid, true);
    else if (pid > 0 && options->is_idle)
        priority_lower(pid);
    if (pid < 0) {
        close(ends[0]);
        return NULL;
    }
    struct rehearsal *rehearsal = mem_alloc(sizeof(*rehearsal));
    *rehearsal = (struct rehearsal){.pid = pid,
                                    .is_idle = becomes_idle,
                                    .fd = ends[0],
                                    .config_path = mem_string(options->config_path)};
    return rehearsal;
}

void rehearsal_hurry(struct rehearsal *rehearsal)
{
    if (rehearsal->is_idle)
        priority_set_idle(rehearsal->pid, false);
    rehearsal->is_idle = false;
}

int rehearsal_fd(const struct rehearsal *rehearsal)
{
    return rehearsal->fd;
}

/* Its text from the start, at most what the process may say; the descriptor is closed. */
static char *read_errors(int fd)
{
    struct stat file = {0};
    size_t length = 0, length_max = 0;
    ssize_t count;

    if (fstat(fd, &file) == 0 && file.st_size > 0)
        length_max = (size_t)file.st_size;
    if (length_max > REHEARSAL_ERRORS_BYTES_MAX)
        length_max = REHEARSAL_ERRORS_BYTES_MAX;
    char *text = mem_zeroed(length_max + 1);
    while ((count = pread(fd, text + length, length_max - length, (off_t)length)) > 0)
        length += (size_t)count;
    close(fd);
    return text;
}

/* The descriptors that came with a message, -1 for those that did not. */
static void take_descriptors(struct msghdr *header, int fds[REHEARSAL_FDS])
{
    const struct cmsghdr *rights = CMSG_FIRSTHDR(header);

    for (size_t i = 0; i < REHEARSAL_FDS; i++)
        fds[i] = -1;
    if (rights == NULL || rights->cmsg_type != SCM_RIGHTS)
        return;
    size_t bytes = rights->cmsg_len - CMSG_LEN(0);
    size_t bytes_max = REHEARSAL_FDS * sizeof(int);
    memcpy(fds, CMSG_DATA(rights), bytes < bytes_max ? bytes : bytes_max);
}

/* Waits for the message; false when the process ended without one. */
static bool receive(int fd, struct rehearsal_result *result)
{
    struct rehearsal_message message;
    struct iovec part = {&message, sizeof(message)};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(REHEARSAL_FDS * sizeof(int))];
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof(control)};
    int fds[REHEARSAL_FDS];
    ssize_t count;

    while ((count = recvmsg(fd, &header, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
        continue;
    if (count != (ssize_t)sizeof(message))
        return false;
    take_descriptors(&header, fds);
    result->is_good = message.is_good;
    result->plan = message.plan;
    result->errors = read_errors(fds[0]);
    result->bundle_fd = fds[1];
    result->inventory_fd = fds[2];
    result->difference_fd = fds[3];
    return true;
}

/* "WHAT: HOW", on the heap. */
static char *line_of(const char *what, const char *how)
{
    size_t bytes = strlen(what) + strlen(how) + sizeof(": \n");
    char *line = mem_alloc(bytes);

    snprintf(line, bytes, "%s: %s\n", what, how);
    return line;
}

static void result_init(struct rehearsal_result *result)
{
    *result = (struct rehearsal_result){.bundle_fd = -1, .inventory_fd = -1, .difference_fd = -1};
}

static char *say_how_it_ended(int status, const char *config_path)
{
    char how[64];

    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(how, sizeof(how), "reading it took more than %d seconds", REHEARSAL_SECONDS_MAX);
    else if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "the process that read it was ended by signal %d",
                 WTERMSIG(status));
    else
        snprintf(how, sizeof(how), "the process that read it ended with %d", WEXITSTATUS(status));
    return line_of(config_path, how);
}

static int wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return status;
}

void rehearsal_abandon(struct rehearsal **rehearsal)
{
    close((*rehearsal)->fd);
    free((*rehearsal)->config_path);
    free(*rehearsal);
    *rehearsal = NULL;
}

static double cpu_seconds_of(pid_t pid)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        return 0;
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

void rehearsal_finish(struct rehearsal **rehearsal, struct rehearsal_result *result)
{
    struct rehearsal *done = *rehearsal;

    result_init(result);
    if (!receive(done->fd, result)) {
        result->errors = say_how_it_ended(wait_for(done->pid), done->config_path);
        rehearsal_abandon(rehearsal);
        return;
    }
    result->cpu_seconds = cpu_seconds_of(done->pid);
    if (done->is_idle)
        waitpid(done->pid, NULL, WNOHANG);
    else
        wait_for(done->pid);
    rehearsal_abandon(rehearsal);
}

void rehearsal_cancel(struct rehearsal **rehearsal)
{
    rehearsal_hurry(*rehearsal); /* also to die takes time */
    kill((*rehearsal)->pid, SIGKILL);
    wait_for((*rehearsal)->pid);
    rehearsal_abandon(rehearsal);
}

void rehearsal_run(const char *config_path, const struct installation *installation,
                   struct rehearsal_result *result)
{
    struct rehearsal_options options = {
        .config_path = config_path, .installation = installation, .running_inventory_fd = -1};
    struct rehearsal *rehearsal = rehearsal_start(&options);

    if (rehearsal != NULL) {
        rehearsal_finish(&rehearsal, result);
        return;
    }
    result_init(result);
    result->errors =
        line_of("moongate: no process to read the configuration", strerrordesc_np(errno));
}

void rehearsal_result_clear(struct rehearsal_result *result)
{
    descriptor_close(&result->bundle_fd);
    descriptor_close(&result->inventory_fd);
    descriptor_close(&result->difference_fd);
    free(result->errors);
    result_init(result);
}
