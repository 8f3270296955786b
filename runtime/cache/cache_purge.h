/*
 * cache_purge — what somebody wants purged, as words, and done.
 *
 * Effective for all workers at once (shm/object_purge.h). Hard: nothing of it is found any more.
 * Soft: it is stale from now on, so it is validated before it is used, or used while that is done
 * where grace or stale-while-revalidate allow it.
 */
#pragma once

#include "base/arena.h"

struct object_purge_scan;
struct object_store;
struct values;

enum cache_purge_kind {
    CACHE_PURGE_URL,    /* all variants, and what is keyed by more than the URL */
    CACHE_PURGE_PREFIX, /* all URLs that begin so */
    CACHE_PURGE_TAG,    /* a surrogate key */
    CACHE_PURGE_ROUTE,  /* by its name */
    CACHE_PURGE_ALL,    /* answers */
    CACHE_PURGE_PLUGIN  /* what plugins have cached by a name (shm/values.h) */
};

struct cache_purge {
    enum cache_purge_kind kind;
    bool is_soft;
    struct slice value; /* of CACHE_PURGE_ALL: empty */
};

enum cache_purge_result {
    CACHE_PURGE_DONE,
    CACHE_PURGE_BEGUN, /* it counts already; cache_purge_sweep() has to follow until it is done */
    CACHE_PURGE_NO_URL,
    CACHE_PURGE_TOO_LONG,
    CACHE_PURGE_NOT_SOFT,
    CACHE_PURGE_BUSY /* too many prefixes are being swept: again, when they are done */
};

/* "url", "prefix", "tag", "route", "all", "plugin-cache". */
bool cache_purge_kind_of(struct slice name, enum cache_purge_kind *kind);
/* "[soft ]KIND[ VALUE]", as it comes over the control socket. False: it is something else. */
bool cache_purge_read(struct slice line, struct cache_purge *purge);
/* Of answers in `store`, or of `values`. */
enum cache_purge_result cache_purge_begin(struct object_store *store, struct values *values,
                                          const struct cache_purge *purge, struct arena *arena);
/* A sentence; NULL for what was done. */
const char *cache_purge_fault(enum cache_purge_result result);

/* Looks at some of the store, for some 50 µs; the scan is all zero at first. False: all of it has
 * been looked at, and scan->purged answers were taken out. */
bool cache_purge_sweep(struct object_store *store, struct object_purge_scan *scan);
