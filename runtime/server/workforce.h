/*
 * workforce — the worker processes, started, watched, replaced, ended.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "server/worker.h"

/* A worker that ends sooner than this after its start is replaced only after as long a pause. */
#define WORKFORCE_PAUSE_SECONDS 1.0

struct workforce_member {
    pid_t pid;    /* 0: none */
    int ready_fd; /* read end; -1 once it has said that it is ready, or died */
    bool is_ready;
    double started, restart_at; /* monotonic seconds; restart_at 0: not planned */
};

struct workforce {
    struct worker_options options; /* of all, but index and ready_fd */
    struct workforce_member *members;
    unsigned count, ready_count;
    bool is_stopping;
    bool has_failed; /* a worker could not build what the rehearsal could */
};

void workforce_init(struct workforce *workforce, const struct worker_options *options,
                    unsigned count);
void workforce_clear(struct workforce *workforce);
/* Starts one; false when the system has no process to give. In the child it does not return. */
bool workforce_start(struct workforce *workforce, unsigned index);
/* Takes note of all that have ended; plans their replacement unless stopping. */
void workforce_reap(struct workforce *workforce);
/* Starts those whose time has come; seconds until the next one, or a negative number. */
double workforce_restart_due(struct workforce *workforce);
/* Reads who is ready. True when that was the last one missing. */
bool workforce_hear(struct workforce *workforce);
void workforce_signal(struct workforce *workforce, int signal_number);
bool workforce_is_empty(const struct workforce *workforce);
