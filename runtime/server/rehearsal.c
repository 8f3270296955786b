/*
 * rehearsal — a child builds a generation, writes its plan into a pipe and ends.
 */
#include "server/rehearsal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bridge/generation.h"

static void print_error(void *data, struct slice error)
{
    fprintf(stderr, "%.*s\n", SLICE_FORMAT(error));
}

static void build_and_tell(const char *config_path, const struct installation *installation, int fd)
{
    struct generation_options options = {.config_path = config_path,
                                         .lua_root = installation->lua_root,
                                         .plugin_root = installation->plugin_root,
                                         .on_error = print_error};
    alarm(REHEARSAL_SECONDS_MAX);
    struct generation *generation = generation_build(&options);
    if (generation == NULL)
        _exit(1);
    const char *bytes = (const char *)generation_plan(generation);
    for (size_t written = 0; written < sizeof(struct plan);) {
        ssize_t count = write(fd, bytes + written, sizeof(struct plan) - written);
        if (count < 0 && errno != EINTR)
            _exit(1);
        written += count > 0 ? (size_t)count : 0;
    }
    generation_release(&generation);
    _exit(0);
}

static bool read_plan(int fd, struct plan *plan)
{
    size_t received = 0;
    while (received < sizeof(*plan)) {
        ssize_t count = read(fd, (char *)plan + received, sizeof(*plan) - received);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            return false;
        received += (size_t)count;
    }
    return true;
}

static void say_how_it_ended(int status, const char *config_path)
{
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        fprintf(stderr, "%s: reading it took more than %d seconds\n", config_path,
                REHEARSAL_SECONDS_MAX);
    else if (WIFSIGNALED(status))
        fprintf(stderr, "%s: the process that read it was ended by signal %d\n", config_path,
                WTERMSIG(status));
}

bool rehearsal_run(const char *config_path, const struct installation *installation,
                   struct plan *plan)
{
    int pipes[2], status = 0;

    if (pipe(pipes) != 0) {
        perror("moongate: pipe");
        return false;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("moongate: fork");
        return false;
    }
    if (child == 0) {
        close(pipes[0]);
        build_and_tell(config_path, installation, pipes[1]);
    }
    close(pipes[1]);
    bool is_complete = read_plan(pipes[0], plan);
    close(pipes[0]);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    say_how_it_ended(status, config_path);
    return is_complete && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
