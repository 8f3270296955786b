/*
 * bundle — a list of entries, the sealed ones in order, then as they were read, and a tree of
 * these.
 */
#include "bridge/bundle_private.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <linux/limits.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file_content.h"
#include "base/mem.h"

int bundle_compare(const void *left, const void *right)
{
    const struct bundle_entry *one = left, *other = right;
    size_t shorter = one->path.length < other->path.length ? one->path.length : other->path.length;

    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1;
    int order = memcmp(one->path.start, other->path.start, shorter);
    if (order != 0 || one->path.length == other->path.length)
        return order;
    return one->path.length < other->path.length ? -1 : 1;
}

struct bundle *bundle_create(void)
{
    struct bundle *bundle = mem_zeroed(sizeof(*bundle));
    atomic_init(&bundle->references, 1);
    arena_init(&bundle->arena);
    return bundle;
}

struct bundle *bundle_acquire(struct bundle *bundle)
{
    atomic_fetch_add(&bundle->references, 1);
    return bundle;
}

static void leave(void *entry)
{
}

void bundle_release(struct bundle **bundle)
{
    struct bundle *gone = *bundle;

    *bundle = NULL;
    unsigned before = atomic_fetch_sub(&gone->references, 1);
    assert(before > 0);
    if (before > 1)
        return;
    tdestroy(gone->tree, leave); /* the entries are the arena's */
    arena_clear(&gone->arena);
    free((void *)gone->entries);
    free(gone->sealed);
    if (gone->map != NULL)
        munmap(gone->map, gone->map_bytes);
    free(gone);
}

/* Copies the entry, but neither path nor content. There is none for the path yet. */
static void add(struct bundle *bundle, const struct bundle_entry *entry)
{
    size_t bytes = entry->path.length + entry->content.length;

    assert(bundle->count < BUNDLE_ENTRIES_MAX && bytes <= BUNDLE_BYTES_MAX - bundle->bytes);
    struct bundle_entry *kept = arena_alloc(&bundle->arena, sizeof(*kept));
    *kept = *entry;
    if (tsearch(kept, &bundle->tree, bundle_compare) == NULL)
        abort(); /* out of memory */
    if (bundle->count == bundle->capacity) {
        bundle->capacity = bundle->capacity == 0 ? 64 : bundle->capacity * 2;
        bundle->entries =
            mem_resize(bundle->entries, bundle->capacity * sizeof(struct bundle_entry *));
    }
    bundle->entries[bundle->count++] = kept;
    bundle->bytes += bytes;
}

/* How many bytes more there may be, beside an entry's path. */
static size_t room_for(const struct bundle *bundle, const char *path)
{
    return BUNDLE_BYTES_MAX - bundle->bytes - strlen(path);
}

static int read_file(struct bundle *bundle, const char *path, struct slice *content)
{
    char *bytes = NULL;
    int error = file_content_read(path, room_for(bundle, path), &bytes, &content->length);

    if (error != 0)
        return error;
    arena_defer(&bundle->arena, free, bytes);
    content->start = bytes;
    return 0;
}

static int is_other(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* Whatever the language of the environment is. */
static int by_name(const struct dirent **one, const struct dirent **other)
{
    return strcmp((*one)->d_name, (*other)->d_name);
}

/* Each name ended by a zero byte. */
static int join_names(struct bundle *bundle, size_t room, struct dirent **found, int count,
                      struct slice *names)
{
    size_t bytes = 0, used = 0;

    for (int i = 0; i < count; i++)
        bytes += strlen(found[i]->d_name) + 1;
    if (bytes > room)
        return EFBIG;
    char *text = arena_alloc(&bundle->arena, bytes);
    for (int i = 0; i < count; i++) {
        size_t length = strlen(found[i]->d_name) + 1;
        memcpy(text + used, found[i]->d_name, length);
        used += length;
    }
    *names = slice_of(text, bytes);
    return 0;
}

static int read_folder(struct bundle *bundle, const char *path, struct slice *names)
{
    struct dirent **found = NULL;
    int count = scandir(path, &found, is_other, by_name);

    if (count < 0)
        return errno;
    int error = join_names(bundle, room_for(bundle, path), found, count, names);
    for (int i = 0; i < count; i++)
        free(found[i]);
    free((void *)found);
    return error;
}

static const struct bundle_entry *find(const struct bundle *bundle, enum bundle_kind kind,
                                       struct slice path)
{
    struct bundle_entry wanted = {.kind = kind, .path = path};
    const struct bundle_entry *sealed = NULL;

    if (bundle->sealed_count > 0)
        sealed =
            bsearch(&wanted, bundle->sealed, bundle->sealed_count, sizeof(*sealed), bundle_compare);
    if (sealed != NULL)
        return sealed;
    struct bundle_entry *const *found = tfind(&wanted, &bundle->tree, bundle_compare);
    return found != NULL ? *found : NULL;
}

bool bundle_has(const struct bundle *bundle, enum bundle_kind kind, struct slice path)
{
    return find(bundle, kind, path) != NULL;
}

/* Asks the disk; 0, or why there can be no entry. */
static int record(struct bundle *bundle, enum bundle_kind kind, struct slice path)
{
    if (path.length >= PATH_MAX)
        return ENAMETOOLONG;
    if (memchr(path.start, '\0', path.length) != NULL)
        return ENOENT;
    if (bundle->count == BUNDLE_ENTRIES_MAX || path.length > BUNDLE_BYTES_MAX - bundle->bytes)
        return E2BIG;
    const char *text = arena_format(&bundle->arena, "%.*s", SLICE_FORMAT(path)).start;
    struct bundle_entry entry = {.kind = kind, .path = slice_of(text, path.length)};
    entry.error = kind == BUNDLE_FILE ? read_file(bundle, text, &entry.content)
                                      : read_folder(bundle, text, &entry.content);
    add(bundle, &entry);
    return 0;
}

static int look(struct bundle *bundle, enum bundle_kind kind, struct slice path,
                struct slice *content)
{
    const struct bundle_entry *entry = find(bundle, kind, path);

    if (entry == NULL && bundle->is_closed)
        return ENOENT;
    if (entry == NULL) {
        int error = record(bundle, kind, path);
        if (error != 0)
            return error;
        entry = find(bundle, kind, path);
    }
    *content = entry->content;
    return entry->error;
}

int bundle_read(struct bundle *bundle, struct slice path, struct slice *content)
{
    return look(bundle, BUNDLE_FILE, path, content);
}

int bundle_list(struct bundle *bundle, struct slice path, struct slice *names)
{
    return look(bundle, BUNDLE_FOLDER, path, names);
}

void bundle_close(struct bundle *bundle)
{
    bundle->is_closed = true;
}

const char *bundle_error_text(int error)
{
    switch (error) {
    case EISDIR:
        return "it cannot be read; expected a file";
    case EFBIG:
        return "it is too large; expected at most 256 MiB for all files together";
    case E2BIG:
        return "it is one too many; expected at most 100,000 files and folders";
    default:
        return strerrordesc_np(error);
    }
}

size_t bundle_count(const struct bundle *bundle)
{
    return bundle->count;
}

const struct bundle_entry *bundle_at(const struct bundle *bundle, size_t i)
{
    assert(i < bundle->count);
    return bundle->entries[i];
}
