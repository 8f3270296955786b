/*
 * object_purge — what must not be used any more, in all workers at once.
 *
 * A purge by tag, by route, or of all is one store: a number that grows is written where the tag's
 * hash says, and an object that was claimed before that number is not found any more, or found
 * stale if the purge is soft. So it costs the same whatever is stored, and what is being filled
 * meanwhile is purged, too: its answer may be of before. 65,536 places for all tags: with k purges
 * an object that has none of those tags is purged as well with a probability of k / 65,536.
 *
 * By prefix: the prefix is put on a list that each object is held against once; then
 * object_purge_continue() takes the objects out in steps, and the prefix off the list.
 *
 * Repair: what a killed process had not finished is finished, or never happened, by
 * object_store_forget_lane().
 */
#pragma once

#include "shm/object_store.h"

enum object_purge_kind {
    OBJECT_PURGE_HARD, /* not found any more */
    OBJECT_PURGE_SOFT  /* stale from now on: object_progress.is_stale */
};

#define OBJECT_PURGE_PREFIXES_MAX     16
#define OBJECT_PURGE_PREFIX_BYTES_MAX 1024

/* All variants of it, exactly. Whether there was something. */
bool object_purge_key(struct object_store *store, const struct object_key *key,
                      enum object_purge_kind kind);
void object_purge_tag(struct object_store *store, struct slice tag, enum object_purge_kind kind);
void object_purge_route(struct object_store *store, struct slice route,
                        enum object_purge_kind kind);
void object_purge_all(struct object_store *store, enum object_purge_kind kind);
/* Objects whose key has it from its `url_at` on. False: it is too long, or the list is full: call
 * object_purge_continue() until it is done, and try again. */
bool object_purge_prefix(struct object_store *store, struct slice prefix,
                         enum object_purge_kind kind);
/* A walk over all pages, in steps: begins all zero. */
struct object_purge_scan {
    uint64_t stamp;  /* of the last purge when it began */
    uint64_t purged; /* objects that it took out */
    uint32_t page;   /* the next one */
    bool has_begun;
};

/*
 * Takes purged objects out, of `pages` pages at most (1,024 take about 50 µs). False: all have
 * been looked at. Needed after object_purge_prefix(); after the others it gives room back sooner.
 */
bool object_purge_continue(struct object_store *store, struct object_purge_scan *scan,
                           uint32_t pages);
