/*
 * upgrade — another gateway is started in this one's place: the program as it is by now, on the
 * same sockets and the same memory.
 *
 * One message decides: before the new one has said that it serves, nothing here has changed.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/slice.h"

struct handover;
struct loop;
struct upgrade;

/* Reading a configuration, building it, starting its plugins, at their longest. */
#define UPGRADE_SECONDS_MAX 220.0

struct upgrade_outcome {
    pid_t pid;           /* of the new one; 0: there is none, all is as before */
    struct slice errors; /* then why, a line each */
    struct slice kept;   /* '1' or '0' for each listener: whether the new one has its sockets */
    struct slice note;   /* of the new one, empty: none */
};

struct upgrade_options {
    struct loop *loop;
    char *const *arguments; /* as main() has them */
    /* The last thing that one does; the outcome is borrowed. It may destroy the upgrade. */
    void (*ended)(void *data, const struct upgrade_outcome *outcome);
    void *data;
};

/* NULL with errno when the system refuses. The handover is borrowed during the call. */
struct upgrade *upgrade_begin(const struct upgrade_options *options,
                              const struct handover *handover);
/* Ends the new one, unless it serves. */
void upgrade_destroy(struct upgrade **upgrade);
/* In a forked child. */
void upgrade_abandon(struct upgrade **upgrade);
/* After SIGCHLD. May call ended(). */
void upgrade_reap(struct upgrade *upgrade);
