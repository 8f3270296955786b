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

bool moon_folder_names(struct generation *generation, const char *path, size_t length,
                       struct slice *names)
{
    if (generation->bundle == NULL)
        return refuse(names);
    return answer(bundle_list(generation->bundle, exports_slice(path, length), names), names);
}
