/*
 * export_files — what reading a configuration needs of C: the names in a folder, and the one normal
 * form of a path.
 */
#include <dirent.h>

#include "bridge/draft.h"
#include "bridge/exports.h"
#include "http/uri.h"

double moon_folder_names(const char *path, char *names, size_t names_size)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;
    size_t used = 0;

    if (folder == NULL)
        return -1;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): of a stream that nobody else has */
    while ((entry = readdir(folder)) != NULL) {
        size_t bytes = strlen(entry->d_name) + 1;
        if (used + bytes <= names_size)
            memcpy(names + used, entry->d_name, bytes);
        used += bytes;
    }
    closedir(folder);
    return (double)used;
}

bool moon_normalise_path(struct generation *generation, const char *path, size_t length,
                         struct slice *normal)
{
    struct arena *arena = &generation->draft->paths;

    arena_reset(arena);
    return uri_normalise_path(exports_slice(path, length), arena, normal);
}
