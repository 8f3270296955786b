/*
 * export_sink — opening files to append lines to, and appending, for Lua.
 */
#include <stdio.h>

#include "bridge/exports.h"
#include "bridge/generation_private.h"

#define PATH_BYTES_MAX 4096

void sinks_open_release(struct sinks_open *sinks)
{
    while (sinks->count > 0)
        sink_release(&sinks->items[--sinks->count]);
}

/* The sink's number, known or new. */
static int keep(struct sinks_open *sinks, struct sink *sink)
{
    for (unsigned i = 0; i < sinks->count; i++) {
        if (sinks->items[i] == sink) {
            sink_release(&sink); /* one reference for each file is enough */
            return (int)i;
        }
    }
    assert(sinks->count < SINKS_MAX);
    sinks->items[sinks->count] = sink;
    return (int)sinks->count++;
}

int moon_sink_open(struct generation *generation, const char *path, size_t length,
                   struct slice *error)
{
    char name[PATH_BYTES_MAX], why[SINK_ERROR_BYTES] = "the path is too long";

    assert(generation->services != NULL);
    struct sink *sink = NULL;
    if (length < sizeof(name)) {
        snprintf(name, sizeof(name), "%.*s", (int)length, path);
        sink = sink_open(name, why);
    }
    if (sink != NULL)
        return keep(&generation->sinks, sink);
    *error = arena_copy(&generation->arena, slice_from_string(why));
    return -1;
}

bool moon_sink_write(struct generation *generation, int sink, const char *line, size_t length)
{
    struct sinks_open *sinks = &generation->sinks;

    assert(sink >= 0 && (unsigned)sink < sinks->count);
    return sink_write(sinks->items[sink], exports_slice(line, length));
}
