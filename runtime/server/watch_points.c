/*
 * watch_points — resolves paths as the kernel does, and notes each name that it asks for.
 */
#include "server/watch_points.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

/* As in the kernel (path_resolution(7)). */
#define LINKS_MAX 40

/* Where a walk stands. */
struct walk {
    struct watch_points *points;
    char real[PATH_MAX]; /* the folder reached; "" is the root */
    char rest[PATH_MAX]; /* what is left of the path */
    unsigned links;
};

void watch_points_init(struct watch_points *points)
{
    *points = (struct watch_points){0};
    arena_init(&points->arena);
}

void watch_points_clear(struct watch_points *points)
{
    free(points->points);
    arena_clear(&points->arena);
    *points = (struct watch_points){0};
}

static const char *keep(struct watch_points *points, const char *text)
{
    return arena_copy(&points->arena, slice_of(text, strlen(text) + 1)).start;
}

/* The folder's text is that of the point before where they are the same. */
static void add(struct watch_points *points, const char *folder, const char *name,
                enum watch_kind kind)
{
    const struct watch_point *last = &points->points[points->count > 0 ? points->count - 1 : 0];
    bool is_same = points->count > 0 && strcmp(last->folder, folder) == 0;
    const char *kept = is_same ? last->folder : keep(points, folder);

    if (points->count == points->capacity) {
        points->capacity = points->capacity > 0 ? 2 * points->capacity : 64;
        points->points = mem_resize(points->points, points->capacity * sizeof(*points->points));
    }
    points->points[points->count++] = (struct watch_point){kept, keep(points, name), kind};
}

/* Puts the link's text in place of the name that led to it. False when that is impossible. */
static bool follow(struct walk *walk, const char *link, const char *behind)
{
    char target[PATH_MAX], joined[PATH_MAX];
    ssize_t length = readlink(link, target, sizeof(target) - 1);

    if (length < 0 || ++walk->links > LINKS_MAX)
        return false;
    target[length] = '\0';
    if (snprintf(joined, sizeof(joined), "%s%s", target, behind) >= (int)sizeof(joined))
        return false;
    memcpy(walk->rest, joined, sizeof(joined));
    if (target[0] == '/')
        walk->real[0] = '\0';
    return true;
}

enum step { STEP_ON, STEP_FILE, STEP_NOWHERE };

/* One name, which is not "." or "..", with what follows it. */
static enum step enter(struct walk *walk, const char *name, const char *behind)
{
    char path[PATH_MAX];
    struct stat status;

    add(walk->points, walk->real, name, WATCH_NAME);
    if (snprintf(path, sizeof(path), "%s/%s", walk->real, name) >= (int)sizeof(path) ||
        lstat(path, &status) != 0)
        return STEP_NOWHERE;
    if (S_ISLNK(status.st_mode))
        return follow(walk, path, behind) ? STEP_ON : STEP_NOWHERE;
    memmove(walk->rest, behind, strlen(behind) + 1);
    if (S_ISDIR(status.st_mode)) {
        memcpy(walk->real, path, sizeof(path));
        return STEP_ON;
    }
    if (walk->rest[0] != '\0') /* a file is no folder */
        return STEP_NOWHERE;
    add(walk->points, walk->real, name, WATCH_CONTENT);
    return STEP_FILE;
}

static enum step step(struct walk *walk)
{
    char name[NAME_MAX + 1];
    const char *start = walk->rest + strspn(walk->rest, "/");
    size_t length = strcspn(start, "/");

    if (length > NAME_MAX)
        return STEP_NOWHERE;
    memcpy(name, start, length);
    name[length] = '\0';
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        return enter(walk, name, start + length);
    char *parent = length == 2 ? strrchr(walk->real, '/') : NULL;
    if (parent != NULL)
        *parent = '\0';
    memmove(walk->rest, start + length, strlen(start + length) + 1);
    return STEP_ON;
}

static enum step walk_to_end(struct walk *walk)
{
    enum step reached = STEP_ON;

    while (reached == STEP_ON && walk->rest[strspn(walk->rest, "/")] != '\0')
        reached = step(walk);
    return reached;
}

/* NULL: it is not remembered. */
static const char *find_folder(const struct watch_points *points, struct slice written)
{
    size_t count =
        points->folder_count < WATCH_FOLDERS_MAX ? points->folder_count : WATCH_FOLDERS_MAX;

    for (size_t i = 0; i < count; i++) {
        if (slice_equals(points->folders[i].written, written))
            return points->folders[i].real;
    }
    return NULL;
}

static void remember_folder(struct watch_points *points, struct slice written, const char *real)
{
    points->folders[points->folder_count++ % WATCH_FOLDERS_MAX] =
        (struct watch_folder){arena_copy(&points->arena, written), keep(points, real)};
}

/* Stands at the folder of a path as it is written, "" for the working directory. */
static enum step walk_to_folder(struct watch_points *points, struct walk *walk, struct slice folder)
{
    bool is_relative = folder.length == 0 || folder.start[0] != '/';
    char here[PATH_MAX] = "";

    const char *known = find_folder(points, folder);
    if (known != NULL) {
        snprintf(walk->real, sizeof(walk->real), "%s", known);
        return STEP_ON;
    }
    if ((is_relative && getcwd(here, sizeof(here)) == NULL) ||
        snprintf(walk->rest, sizeof(walk->rest), "%s/%.*s", here, SLICE_FORMAT(folder)) >=
            (int)sizeof(walk->rest))
        return STEP_NOWHERE;
    enum step reached = walk_to_end(walk);
    if (reached == STEP_ON)
        remember_folder(points, folder, walk->real);
    return reached;
}

bool watch_points_add(struct watch_points *points, struct slice path, bool is_listing)
{
    struct walk walk = {.points = points};
    size_t name = path.length;

    while (name > 0 && path.start[name - 1] != '/')
        name--;
    enum step reached = walk_to_folder(points, &walk, slice_of(path.start, name));
    if (reached != STEP_ON)
        return false;
    if (snprintf(walk.rest, sizeof(walk.rest), "%.*s", SLICE_FORMAT(slice_after(path, name))) >=
        (int)sizeof(walk.rest))
        return false;
    reached = walk_to_end(&walk);
    if (is_listing && reached == STEP_ON)
        add(points, walk.real, "", WATCH_LISTING);
    return reached == (is_listing ? STEP_ON : STEP_FILE);
}

static int compare(const void *one, const void *other)
{
    const struct watch_point *a = one, *b = other;
    int order = strcmp(a->folder, b->folder);

    if (order == 0)
        order = strcmp(a->name, b->name);
    return order != 0 ? order : (int)a->kind - (int)b->kind;
}

void watch_points_sort(struct watch_points *points)
{
    size_t kept = 0;

    if (points->count == 0)
        return;
    qsort(points->points, points->count, sizeof(*points->points), compare);
    for (size_t i = 1; i < points->count; i++) {
        if (compare(&points->points[kept], &points->points[i]) != 0)
            points->points[++kept] = points->points[i];
    }
    points->count = kept + 1;
}

bool watch_point_stat(const struct watch_point *point, struct stat *status)
{
    char path[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/%s", point->folder, point->name) >= (int)sizeof(path))
        return false;
    return point->kind == WATCH_LISTING ? stat(path, status) == 0 : lstat(path, status) == 0;
}
