/*
 * loader — one job in the background.
 */
#include "bridge/loader.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "bridge/bundle.h"
#include "net/background.h"

struct loader {
    struct background_job job;
    struct loader_options options; /* built: NULL when it was abandoned */
    struct generation *generation;
    struct buffer errors;
};

static void on_error(void *data, struct slice error)
{
    struct loader *loader = data;
    size_t room = LOADER_ERRORS_BYTES_MAX - buffer_length(&loader->errors);

    if (error.length + 1 > room)
        error.length = room > 0 ? room - 1 : 0;
    if (room > 0) {
        buffer_append(&loader->errors, error);
        buffer_append(&loader->errors, SLICE("\n"));
    }
}

static void build_from(struct loader *loader, struct bundle *bundle)
{
    struct generation_options options = {.config_path = loader->options.config_path,
                                         .number = loader->options.number,
                                         .bundle = bundle,
                                         .shared = loader->options.shared,
                                         .lua_root = loader->options.lua_root,
                                         .plugin_root = loader->options.plugin_root,
                                         .on_error = on_error,
                                         .on_error_data = loader};
    loader->generation = generation_build(&options);
}

static void work(struct background_job *job)
{
    struct loader *loader = CONTAINER_OF(job, struct loader, job);
    struct bundle *bundle = bundle_open(loader->options.bundle_fd);
    char text[128];

    if (bundle != NULL) {
        build_from(loader, bundle);
        bundle_release(&bundle);
    } else {
        snprintf(text, sizeof(text), "what was read of the configuration cannot be mapped: %s",
                 strerrordesc_np(errno));
        on_error(loader, slice_from_string(text));
    }
    close(loader->options.bundle_fd);
}

static void done(struct background_job *job)
{
    struct loader *loader = CONTAINER_OF(job, struct loader, job);

    if (loader->options.built != NULL)
        loader->options.built(loader->options.data, loader->generation,
                              buffer_slice(&loader->errors));
    else if (loader->generation != NULL)
        generation_discard(&loader->generation, loader->options.background);
    buffer_clear(&loader->errors);
    free(loader);
}

struct loader *loader_start(const struct loader_options *options)
{
    struct loader *loader = mem_zeroed(sizeof(*loader));

    loader->job = (struct background_job){.work = work, .done = done};
    loader->options = *options;
    buffer_init(&loader->errors, LOADER_ERRORS_BYTES_MAX, NULL);
    background_submit(options->background, &loader->job);
    return loader;
}

void loader_abandon(struct loader **loader)
{
    (*loader)->options.built = NULL;
    *loader = NULL;
}
