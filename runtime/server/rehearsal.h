/*
 * rehearsal — reads a configuration in a throw-away process, so that nothing it does can touch the
 * master.
 */
#pragma once

#include "bridge/plan.h"
#include "server/installation.h"

/* A configuration that takes longer to read is refused. */
#define REHEARSAL_SECONDS_MAX 60

/* False when there are errors, which have been printed to standard error, all of them. */
bool rehearsal_run(const char *config_path, const struct installation *installation,
                   struct plan *plan);
