/*
 * export_files — files and the names in folders for Lua, as they are for one reading of the
 * configuration.
 */
#include "bridge/bundle.h"
#include "bridge/exports.h"
#include "bridge/generation_private.h"

static bool answer(int error, struct slice *text)
{
    if (error != 0)
        *text = slice_from_string(bundle_error_text(error));
    return error == 0;
}

static bool refuse(struct slice *text)
{
    *text = SLICE("files are read only while a generation is built");
    return false;
}

bool moon_file_text(struct generation *generation, const char *path, size_t length,
                    struct slice *text)
{
    if (generation->bundle == NULL)
        return refuse(text);
    return answer(bundle_read(generation->bundle, exports_slice(path, length), text), text);
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.length >= end.length &&
           slice_equals(slice_after(text, text.length - end.length), end);
}

bool moon_file_ending(struct generation *generation, const char *end, size_t length,
                      struct slice *path)
{
    const struct bundle *bundle = generation->bundle;
    size_t found = 0;

    for (size_t i = 0; bundle != NULL && i < bundle_count(bundle); i++) {
        const struct bundle_entry *entry = bundle_at(bundle, i);
        if (entry->kind != BUNDLE_FILE || entry->error != 0 ||
            !ends_with(entry->path, exports_slice(end, length)))
            continue;
        *path = entry->path;
        found++;
    }
    return found == 1;
}

bool moon_folder_names(struct generation *generation, const char *path, size_t length,
                       struct slice *names)
{
    if (generation->bundle == NULL)
        return refuse(names);
    return answer(bundle_list(generation->bundle, exports_slice(path, length), names), names);
}
