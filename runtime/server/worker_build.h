/*
 * worker_build — the part of a worker's start that is the same for all of them: its user, and the
 * generation that it begins with.
 */
#pragma once

#include <stdbool.h>

struct generation;
struct worker_options;

/* Drops root's privileges; false, with a line in the log, when that is impossible or the master has
 * died meanwhile. */
bool worker_become_user(const struct worker_options *options);
/* From what was read once for all, so nothing of root's is needed, and all workers are alike. NULL,
 * with a line in the log for each error. */
struct generation *worker_build(const struct worker_options *options);
