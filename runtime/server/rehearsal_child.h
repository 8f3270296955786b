/*
 * rehearsal_child — what the throw-away process does, and the message in which it says how it went.
 */
#pragma once

#include <sys/types.h>

#include "bridge/plan.h"
#include "server/rehearsal.h"

/* Of all errors together; a line says how many more there are. */
#define REHEARSAL_ERRORS_BYTES_MAX ((size_t)1 << 20)

/* Sent once, with one descriptor for the errors as a text, then one for the bundle if there is one,
 * then of a good one those for the inventory and for what differs from what runs, if that is known.
 */
#define REHEARSAL_FDS 4

struct rehearsal_message {
    bool is_good;
    struct plan plan;
};

/* In the process forked from `master`: reads, sends over `fd`, ends. */
_Noreturn void rehearsal_child_run(const struct rehearsal_options *options, int fd, pid_t master);
