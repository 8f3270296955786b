/*
 * watch_points — the places of the file system that decide what some paths lead to.
 *
 * The way to a file is walked one name at a time, through symlinks too: a name in a folder on that
 * way may be created, removed, renamed or made to lead elsewhere, and the file at its end written.
 * Folders are named by their real paths.
 */
#pragma once

#include <stdbool.h>
#include <sys/stat.h>

#include "base/arena.h"

enum watch_kind {
    WATCH_NAME,    /* what `name` in `folder` leads to */
    WATCH_CONTENT, /* what is in the file `name` of `folder` */
    WATCH_LISTING  /* which names are in `folder`; `name` is empty */
};

struct watch_point {
    const char *folder, *name; /* "" is the root */
    enum watch_kind kind;
};

/* Of those that are remembered: plugins, libraries and routes have a few in common. */
#define WATCH_FOLDERS_MAX 16

struct watch_folder {
    struct slice written;
    const char *real;
};

struct watch_points {
    struct watch_point *points; /* by folder, then name */
    size_t count, capacity;
    struct arena arena; /* the texts */
    /* The last folders that paths went through, as written and as they are. */
    struct watch_folder folders[WATCH_FOLDERS_MAX];
    size_t folder_count; /* so far; they take turns */
};

void watch_points_init(struct watch_points *points);
void watch_points_clear(struct watch_points *points);
/* The way to a file, or to a folder whose names matter. Whether it leads to such a thing now. */
bool watch_points_add(struct watch_points *points, struct slice path, bool is_listing);
/* After the last one was added: brings them in order, each once. */
void watch_points_sort(struct watch_points *points);

/* lstat() of a point's file, stat() of its folder; false when there is none. */
bool watch_point_stat(const struct watch_point *point, struct stat *status);
