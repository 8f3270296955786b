/*
 * watch_list — one list of paths from the entries of several bundles.
 */
#include "server/watch_list.h"

#include <errno.h>

#include "base/mem.h"
#include "bridge/bundle.h"
#include "server/watch.h"

static enum watch_state state_of(const struct bundle_entry *entry)
{
    if (entry->error == 0)
        return WATCH_THERE;
    return entry->error == ENOENT || entry->error == ENOTDIR ? WATCH_MISSING : WATCH_UNKNOWN;
}

/* Of the one that was read last as it says; of the other, what that one does not name, if it is
 * there. */
static size_t add_paths(const struct bundle *bundle, const struct bundle *latest,
                        struct watch_path *paths)
{
    size_t count = 0;

    for (size_t i = 0; i < bundle_count(bundle); i++) {
        const struct bundle_entry *entry = bundle_at(bundle, i);
        if (bundle != latest && latest != NULL && bundle_has(latest, entry->kind, entry->path))
            continue;
        paths[count++] =
            (struct watch_path){.path = entry->path,
                                .is_folder = entry->kind == BUNDLE_FOLDER,
                                .state = bundle == latest ? state_of(entry) : WATCH_UNKNOWN};
    }
    return count;
}

static struct bundle *open_bundle(int fd, size_t *path_count)
{
    struct bundle *bundle = fd >= 0 ? bundle_open(fd) : NULL;

    *path_count += bundle != NULL ? bundle_count(bundle) : 0;
    return bundle;
}

bool watch_list_set(struct watch *watch, int latest_fd, int other_fd, struct timespec read)
{
    size_t path_count = 0, used = 0, latest_count;
    struct bundle *latest = open_bundle(latest_fd, &path_count);
    struct bundle *other = open_bundle(other_fd, &path_count);
    struct watch_path *paths = mem_zeroed_array(path_count + 1, sizeof(*paths));

    if (latest != NULL)
        used = add_paths(latest, latest, paths);
    latest_count = used;
    if (other != NULL)
        used += add_paths(other, latest, paths + used);
    watch_set(watch, paths, used, read);
    free(paths);
    if (latest != NULL)
        bundle_release(&latest);
    if (other != NULL)
        bundle_release(&other);
    return used > latest_count;
}
