/*
 * worker_build — from the bundle to a generation, as the user that workers run as.
 */
#include "server/worker_build.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "bridge/bundle.h"
#include "bridge/generation.h"
#include "server/orphan.h"
#include "server/privileges.h"
#include "server/worker.h"

/* The kernel then forgets whose death it is to tell of. */
bool worker_become_user(const struct worker_options *options)
{
    return privileges_drop(options->plan->user) && orphan_bind(options->master);
}

static void on_error(void *data, struct slice error)
{
    log_write(LOG_ERROR, "%.*s", SLICE_FORMAT(error));
}

struct generation *worker_build(const struct worker_options *options)
{
    struct bundle *bundle = bundle_open(options->bundle_fd);
    if (bundle == NULL) {
        log_write(LOG_ERROR, "what was read of the configuration cannot be mapped: %s",
                  strerrordesc_np(errno));
        return NULL;
    }
    struct generation_options generation = {.config_path = options->config_path,
                                            .number = options->generation,
                                            .bundle = bundle,
                                            .shared = options->shared,
                                            .lua_root = options->installation->lua_root,
                                            .plugin_root = options->installation->plugin_root,
                                            .on_error = on_error};
    struct generation *built = generation_build(&generation);
    bundle_release(&bundle);
    return built;
}
