/*
 * nursery_child — what the process does that is the nursery, and how a worker leaves it.
 */
#pragma once

#include "server/worker.h"

struct nursery_child {
    struct worker_options worker; /* of all, but index and channel; `master` is its parent */
    struct channel *line;         /* to the master */
    bool is_idle; /* it takes only what others leave of the processors (base/priority.h) */
};

/* In the process forked from the master, with its signals blocked: builds, says CHANNEL_READY,
 * forks whom it is told to; ends with the master. */
_Noreturn void nursery_child_run(struct nursery_child *child);
