/*
 * watch_list — one list of paths from the entries of several bundles.
 */
#include "server/watch_list.h"

#include <assert.h>
#include <errno.h>

#include "base/mem.h"
#include "bridge/bundle.h"
#include "server/watch.h"

#define BUNDLES_MAX 4

static enum watch_state state_of(const struct bundle_entry *entry)
{
    if (entry->error == 0)
        return WATCH_THERE;
    return entry->error == ENOENT || entry->error == ENOTDIR ? WATCH_MISSING : WATCH_UNKNOWN;
}

static size_t add_paths(const struct bundle *bundle, bool is_latest, struct watch_path *paths)
{
    size_t count = bundle_count(bundle);

    for (size_t i = 0; i < count; i++) {
        const struct bundle_entry *entry = bundle_at(bundle, i);
        paths[i] = (struct watch_path){.path = entry->path,
                                       .is_folder = entry->kind == BUNDLE_FOLDER,
                                       .state = is_latest ? state_of(entry) : WATCH_UNKNOWN};
    }
    return count;
}

void watch_list_set(struct watch *watch, const int *fds, size_t count, struct timespec read)
{
    struct bundle *bundles[BUNDLES_MAX];
    size_t path_count = 0, used = 0;

    assert(count <= BUNDLES_MAX);
    for (size_t i = 0; i < count; i++) {
        bundles[i] = fds[i] >= 0 ? bundle_open(fds[i]) : NULL;
        path_count += bundles[i] != NULL ? bundle_count(bundles[i]) : 0;
    }
    struct watch_path *paths = mem_zeroed_array(path_count + 1, sizeof(*paths));
    for (size_t i = 0; i < count; i++)
        used += bundles[i] != NULL ? add_paths(bundles[i], i == 0, paths + used) : 0;
    watch_set(watch, paths, used, read);
    free(paths);
    for (size_t i = 0; i < count; i++) {
        if (bundles[i] != NULL)
            bundle_release(&bundles[i]);
    }
}
