/*
 * bundle — all that was read from the file system for one reading of a configuration: files, those
 * that were looked for and not there, names in folders.
 *
 * What has been asked for once has the same answer for as long as the bundle lives, so that a
 * configuration is never half of one edit and half of the next. Sealed into a descriptor it goes to
 * other processes, which build from it and not from the disk: what is not in it is read from the
 * disk, and is in it from then on, in this process alone. Not shared between threads.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Of contents, paths and names together; of files and folders, missing ones included. */
#define BUNDLE_BYTES_MAX   ((size_t)256 << 20)
#define BUNDLE_ENTRIES_MAX 100000

struct bundle;

enum bundle_kind { BUNDLE_FILE, BUNDLE_FOLDER };

struct bundle_entry {
    enum bundle_kind kind;
    int error; /* why there is no content, an errno; 0: there is */
    struct slice path;
    struct slice content; /* of a folder: its names in order, each ended by a zero byte */
};

/* Empty: everything is read from the disk. */
struct bundle *bundle_create(void);
/* From what bundle_seal() made, in whatever process; NULL when that is none. `fd` stays the
 * caller's, who may close it. */
struct bundle *bundle_open(int fd);
/* From any thread; what else is asked of it is not. */
struct bundle *bundle_acquire(struct bundle *bundle);
void bundle_release(struct bundle **bundle);

/* 0 or an errno. The content lives as long as the bundle. */
int bundle_read(struct bundle *bundle, struct slice path, struct slice *content);
/* The same for the names in a folder, without "." and "..". */
int bundle_list(struct bundle *bundle, struct slice path, struct slice *names);
/* The disk is not asked any more: what is not in it by now is missing. */
void bundle_close(struct bundle *bundle);
/* Whether it says anything of that, the disk is not asked. */
bool bundle_has(const struct bundle *bundle, enum bundle_kind kind, struct slice path);
/* What bundle_read() returned, in words. */
const char *bundle_error_text(int error);

size_t bundle_count(const struct bundle *bundle);
const struct bundle_entry *bundle_at(const struct bundle *bundle, size_t i);

/* A descriptor of memory that nobody can change any more, close-on-exec, for bundle_open(); -1 with
 * errno. */
int bundle_seal(const struct bundle *bundle);
/*
 * Whether two such descriptors have the same files with the same contents, by a SHA-256 over them:
 * what was missing, and the names in folders, matter only by the files that they lead to. Only
 * their headers are looked at: false when one of them has none.
 */
bool bundle_is_same(int fd, int other_fd);
