/*
 * master — the process that owns sockets and shared memory, and looks after the workers.
 *
 * Runs no request and no plugin: the configuration is read in a throw-away
 * process, which sends back a plan.
 */
#pragma once

#include "server/installation.h"

struct master_options {
    const char *config_path;
    char *const *arguments; /* main()'s: to start the program once more */
    struct installation installation;
};

/* Until it is told to stop; the exit code. */
int master_run(const struct master_options *options);
