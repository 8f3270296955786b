/*
 * rehearsal_child — what the throw-away process does, and the message in which it says how it went.
 */
#pragma once

#include <sys/types.h>

#include "bridge/plan.h"
#include "server/installation.h"

/* Of all errors together; a line says how many more there are. */
#define REHEARSAL_ERRORS_BYTES_MAX ((size_t)1 << 20)

/* Sent once, with one descriptor for the errors as a text, then one for the bundle if there is one,
 * then one for the inventory of a good one. */
#define REHEARSAL_FDS 3

struct rehearsal_message {
    bool is_good;
    struct plan plan;
};

/* In the process forked from `master`: reads, sends over `fd`, ends. */
_Noreturn void rehearsal_child_run(const char *config_path, const struct installation *installation,
                                   int fd, pid_t master);
