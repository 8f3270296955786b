/*
 * program — fork and exec, with nothing of ours left in the way.
 */
#include "server/program.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/handover_word.h"

/* Descriptors up to this one are the program's. */
#define CHANNEL_FD (STDERR_FILENO + 1)

static void say_failure(const struct channel *end, const char *name)
{
    char text[512];

    snprintf(text, sizeof(text), "%s cannot be started: %s\n", name, strerror(errno));
    handover_word_send(end, "failed", slice_from_string(text), NULL, 0);
}

/* Those that would end it before it knows what to do with them wait until it does: all processes of
 * a gateway may be sent them. */
static void leave_signals(void)
{
    sigset_t early;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigemptyset(&early);
    sigaddset(&early, SIGHUP);
    sigaddset(&early, SIGUSR1);
    sigprocmask(SIG_SETMASK, &early, NULL);
}

static void become_program(char *const *arguments, const struct channel *end)
{
    char number[16];

    leave_signals();
    snprintf(number, sizeof(number), "%d", CHANNEL_FD);
    setenv(PROGRAM_CHANNEL_VARIABLE, number, 1);
    if (channel_fd(end) != CHANNEL_FD && dup2(channel_fd(end), CHANNEL_FD) < 0)
        _exit(127);
    close_range(CHANNEL_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    if (channel_fd(end) == CHANNEL_FD)
        fcntl(CHANNEL_FD, F_SETFD, 0);
    execvp(arguments[0], arguments);
    say_failure(end, arguments[0]);
    _exit(127);
}

pid_t program_start(char *const *arguments, struct channel *end)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        become_program(arguments, end);
    return pid;
}
