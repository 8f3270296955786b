/*
 * watch — tells when files, what leads to them, or the names in folders have changed.
 *
 * By inotify: written, renamed into place, removed, created where one was missing, a symlink on the
 * way swapped. Where the system has no watches to give, or they would be more than
 * WATCH_WATCHES_MAX, by looking every WATCH_POLL_SECONDS.
 *
 * Told once for many changes in a row: when it has been quiet for WATCH_QUIET_SECONDS, at the
 * latest WATCH_SECONDS_MAX after the first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/slice.h"

#define WATCH_QUIET_SECONDS 0.1
#define WATCH_SECONDS_MAX   1.0
#define WATCH_POLL_SECONDS  2.0
#define WATCH_WATCHES_MAX   32768

struct loop;
struct watch;

/* How it was when it was read; unknown: it may have changed before. */
enum watch_state { WATCH_UNKNOWN, WATCH_MISSING, WATCH_THERE };

struct watch_path {
    struct slice path; /* seen from the working directory */
    bool is_folder;    /* whose names matter */
    enum watch_state state;
};

struct watch *watch_create(struct loop *loop, void (*on_change)(void *data, const char *what),
                           void *data);
void watch_destroy(struct watch **watch);
/* In a forked child: gives memory and descriptors back. */
void watch_abandon(struct watch **watch);

/* The moment to take before the files are read that will be watched. */
struct timespec watch_moment(void);
/* Files are about to be read: who reads them sees what has changed up to now, so it is not told. */
void watch_forget_changes(struct watch *watch);
/*
 * Watches these instead of those before; none: nothing. What is found to have changed since `read`,
 * when they began to be read, is told as if it changed now.
 */
void watch_set(struct watch *watch, const struct watch_path *paths, size_t count,
               struct timespec read);
