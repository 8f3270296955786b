/*
 * loader — builds a generation in the background, from a bundle, while the loop goes on.
 */
#pragma once

#include "bridge/generation.h"

/* Of all errors together; what is longer is cut off. */
#define LOADER_ERRORS_BYTES_MAX 49152

struct background;
struct loader;

struct loader_options {
    struct background *background;
    const char *config_path, *lua_root, *plugin_root; /* needed until `built`, or for good */
    uint64_t number;                                  /* of the generation */
    struct shared *shared;                            /* as of generation_options */
    int bundle_fd;                                    /* the loader's, who closes it */
    /* Called once, on the loop: with the generation, which is the callee's; or with NULL and what
     * is wrong, a line for each error, borrowed during the call. The loader is gone. */
    void (*built)(void *data, struct generation *generation, struct slice errors);
    void *data;
};

struct loader *loader_start(const struct loader_options *options);
/* `built` will not be called: what is being built is freed when it is done. Clears `*loader`. */
void loader_abandon(struct loader **loader);
