/*
 * object_store — answers kept for all workers: keyed objects of metadata and a body in pages.
 *
 * The memory is divided into pages, of a store's own size. An object is a first page, with its key
 * and metadata, and a chain of others. Readers hold an object and read its pages where they are;
 * while it is being filled they see how far it has come, and are told when more comes. One process
 * fills an object, and nobody else fills one of that key meanwhile (shm/object_fill.h).
 *
 * Nobody waits for anybody: there is no lock. Whose a page is, is one word of its own, and so is
 * where a key leads (shm/cell_table.h). What a reader holds is listed in its lane, which has one
 * writer; pages are given back by whoever stops last to hold a removed object.
 *
 * Repair: object_store_forget_lane(), in the master, after a worker has died. What that one was
 * filling is aborted, and waiters are told at once; what it held, took or was giving back is found
 * by the words of the pages. Killed in the middle, it can begin again.
 *
 * What is not held gives way to what is new: shm/object_eviction.h. Memory never touched costs
 * nothing. Times are nanoseconds of one clock for all processes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/slice.h"
#include "shm/cell_table.h"
#include "shm/segment.h"

/* Of a page, for answers, which may have variants; a store of what is smaller has smaller ones. */
#define OBJECT_PAGE_BYTES     2048
#define OBJECT_PAGE_BYTES_MIN 256
/* Of all pages. What tells of one takes 45 bytes more, and of what is held 272 KiB at most for each
 * lane. */
#define OBJECT_STORE_BYTES_MIN 131072
#define OBJECT_STORE_BYTES_MAX (1ULL << 36)
#define OBJECT_STORE_LANES_MAX 1023

#define OBJECT_KEY_BYTES_MAX      1536 /* or as many as a first page has room for */
#define OBJECT_VARIANT_BYTES_MAX  1024
#define OBJECT_METADATA_BYTES_MAX 32000
#define OBJECT_TAGS_MAX           64
/* Stored variants of one key, of which the oldest gives way; see object_fill_vary(). */
#define OBJECT_VARIANTS_MAX 64

#define OBJECT_BYTES_UNKNOWN UINT64_MAX

struct object_store_shared;
struct object_stamp;

/* Told of an object whose pages are given back, in whatever process does that: `account` is what
 * its filler said, `bytes` what its pages took. Must not call the store. */
typedef void object_store_freed(void *data, uint32_t account, uint64_t bytes, bool was_evicted);

/* This process's view; embed it, and clear it when done. */
struct object_store {
    struct object_store_shared *shared;
    struct cell_table cells;
    char *pages;
    uint64_t *states;                   /* of each page: shm/object_pages.h */
    uint32_t *next;                     /* of each page: the one behind it in its chain */
    uint8_t *heat;                      /* of each first page: how often it was found lately */
    uint64_t *taken_hints, *full_hints; /* a bit for each page, and for each word of those bits */
    uint64_t *ghosts;                   /* what was evicted lately: shm/object_eviction.h */
    struct object_stamp *stamps;        /* of purges: shm/object_purge.h */
    char *lanes;                        /* shm/object_lanes.h */
    const struct hash_key *hash_key;
    size_t lane_bytes;
    uint32_t page_bytes, key_bytes_max;
    uint32_t page_count, stamp_count, lane_count, hold_buckets;
    uint32_t lane;             /* the attached one */
    uint32_t cursor;           /* the page where this process looks for a free one first */
    uint64_t object_bytes_max; /* of a body: an eighth of all pages unless set otherwise */
    int *wake_fds;             /* of each lane; -1: none */
    struct list waits;         /* struct object_wait */
    char *metadata_copy;       /* what object_store_metadata() gave */
    object_store_freed *on_freed;
    void *on_freed_data;
};

/* ---- the region ---- */

struct object_store_shape {
    size_t bytes; /* of all pages */
    uint32_t page_bytes;
    uint32_t lanes;
};

/* What the region takes. */
size_t object_store_bytes(const struct object_store_shape *shape);
/* The region `name`; false when the segment refuses it (see segment_allot). */
bool object_store_init(struct object_store *store, struct segment *segment, const char *name,
                       const struct object_store_shape *shape);
/* Gives the process's own memory and descriptors back. */
void object_store_clear(struct object_store *store);
/* In the master before it forks: a wake descriptor for each of these lanes, by which its worker is
 * told that something it waits for has come. False with errno set. */
bool object_store_open_wakes(struct object_store *store, uint32_t first_lane, uint32_t count);
/* After fork, before the store is used: the lane of this process, in which nobody who lives is. */
void object_store_attach(struct object_store *store, uint32_t lane);
/* Repair, in the master, when that lane's process is dead and before its successor attaches. */
void object_store_forget_lane(struct object_store *store, uint32_t lane);
void object_store_on_freed(struct object_store *store, object_store_freed *on_freed, void *data);

/* ---- finding and holding ---- */

/* A key: any bytes that tell objects apart. From `url_at` on it has the URL, for purges by prefix.
 */
struct object_key {
    struct slice bytes;
    size_t url_at;
};

enum object_found {
    OBJECT_MISSING,  /* nothing is there: claim it */
    OBJECT_COMPLETE, /* held */
    OBJECT_FILLING,  /* held; somebody is filling it, its head may not be there yet */
    OBJECT_VARIES,   /* held; its metadata says what variants differ by: see _find_variant() */
    OBJECT_PASSED,   /* not held: it was found not to be stored lately, so wait for nobody (RFC 9111
                        leaves it open; others call it hit-for-miss). It may be claimed. */
    OBJECT_PASSED_BY_SOME /* likewise, when some asked, whom the caller tells from others */
};

/* Who does not believe that what is filled will be stored, and so does not wait for its head. */
enum object_doubt { OBJECT_NOT_DOUBTED, OBJECT_DOUBTED_BY_SOME, OBJECT_DOUBTED };

/* A reader's hold: while it lasts, what it holds stays where it is, even when it is removed. Plain
 * data, which may be copied, and released once. */
struct object_hold {
    uint32_t page; /* the first page of the object */
    uint32_t generation;
};

/* A hold is had only with COMPLETE, FILLING and VARIES. MISSING, too, when this process holds too
 * much. Counts as a use of the object. No allocation, no lock, no system call. */
enum object_found object_store_find(struct object_store *store, const struct object_key *key,
                                    uint64_t now_ns, struct object_hold *hold);
/* The variant of a key that OBJECT_VARIES was found for, by whatever bytes tell its variants apart
 * (the selected request fields, RFC 9111, 4.1). Never VARIES. Keeps `marker` held. */
enum object_found object_store_find_variant(struct object_store *store,
                                            const struct object_hold *marker, struct slice variant,
                                            uint64_t now_ns, struct object_hold *hold);
/* Once; whoever lets go last of a removed object gives its pages back. */
void object_store_release(struct object_store *store, const struct object_hold *hold);
/* Holds it once more: to be released once more. False when this process holds it too often. */
bool object_store_hold_again(struct object_store *store, const struct object_hold *hold);

/* ---- reading what is held ---- */

enum object_state {
    OBJECT_IS_FILLING,
    OBJECT_IS_COMPLETE,
    OBJECT_IS_ABORTED,  /* there will never be more: its filler failed or died */
    OBJECT_IS_UNCACHED, /* likewise: the filler found that it must not be stored or shared */
    OBJECT_IS_MOVED,    /* likewise: find it anew, the key has variants now */
    OBJECT_IS_CONTINUED /* likewise: it is not stored; who reads follows: shm/object_flow.h */
};

struct object_progress {
    enum object_state state;
    bool has_head;           /* metadata is there */
    enum object_doubt doubt; /* as it was claimed */
    bool is_lone;            /* while it is filled nobody reads along: object_fill_alone() */
    bool is_stale;           /* a soft purge says so: validate it before it is used as fresh */
    bool is_refreshing;      /* somebody validates it: object_fill_refresh() */
    bool is_removed;         /* no longer found, by this key: replaced, purged, or evicted */
    uint64_t bytes;          /* of the body that can be read */
    uint64_t body_bytes; /* of the whole body; OBJECT_BYTES_UNKNOWN until it is complete or said */
    uint32_t refreshes;  /* how often metadata was replaced, or that was tried in vain */
};

void object_store_progress(const struct object_store *store, const struct object_hold *hold,
                           struct object_progress *progress);
/* A copy of the metadata, valid until the next call in this process; empty before has_head. Whole,
 * even when it is replaced at this moment. */
struct slice object_store_metadata(struct object_store *store, const struct object_hold *hold);
/* As stored with the claim; of the shared memory, while it is held. A variant's is its key's. */
struct slice object_store_key(const struct object_store *store, const struct object_hold *hold);
uint32_t object_store_account(const struct object_store *store, const struct object_hold *hold);

/* Where a reader is in a body. */
struct object_cursor {
    uint64_t offset;
    uint32_t page, unused;
    uint32_t at; /* in the page */
};

/* To byte `offset` of the body; what is before it, and the head, must be there. Walks pages: 10 ns
 * for each 2 KiB. */
void object_store_seek(const struct object_store *store, const struct object_hold *hold,
                       uint64_t offset, struct object_cursor *cursor);
/*
 * The bytes from the cursor on that lie together, at most `bytes_max`, and steps over them; of the
 * shared memory, while it is held. Empty: no more is there now (or ever, see the progress).
 */
struct slice object_store_read(const struct object_store *store, const struct object_hold *hold,
                               struct object_cursor *cursor, size_t bytes_max);

/* ---- waiting ---- */

/* Somebody who waits for an object to go on, and keeps it held meanwhile; embed it, set `ready`. */
struct object_wait {
    struct list node;
    struct object_hold hold;
    struct object_progress seen;
    void (*ready)(struct object_wait *wait); /* once; may wait again, release, or free itself */
};

/*
 * Until the progress of what is held differs from `seen`: more bytes, a head, another state,
 * removal, a refresh that began or ended. It is told from object_store_wake(), never from within
 * this call. False: it is already different, or cannot be told, as its filler belongs to a gateway
 * that is being replaced (then do without: `*is_new` says which). Who waits already cancels that
 * first.
 */
bool object_store_wait(struct object_store *store, struct object_wait *wait, bool *is_new);
/* Harmless when it does not wait any more, or never did after object_store_wait(). */
void object_store_wait_cancel(struct object_wait *wait);
/* Readable when somebody has been told something; watch it for as long as the process runs. -1:
 * there is none. */
int object_store_wake_fd(const struct object_store *store);
/* When it is readable: calls `ready` of all whose object went on. */
void object_store_wake(struct object_store *store);

/* ---- numbers ---- */

enum object_count {
    OBJECT_COUNT_FOUND, /* complete or filling */
    OBJECT_COUNT_MISSED,
    OBJECT_COUNT_PASSED,
    OBJECT_COUNT_CLAIMED,
    OBJECT_COUNT_COLLAPSED, /* waits for what somebody else fills or refreshes */
    OBJECT_COUNT_COMPLETED,
    OBJECT_COUNT_ABORTED,
    OBJECT_COUNT_UNCACHED,
    OBJECT_COUNT_REFRESHED,
    OBJECT_COUNT_REPLACED,
    OBJECT_COUNT_EVICTED, /* objects */
    OBJECT_COUNT_EVICTED_PAGES,
    OBJECT_COUNT_EXPIRED,  /* evicted, since they were of no use any more */
    OBJECT_COUNT_PURGED,   /* objects found to be purged, hard */
    OBJECT_COUNT_REFUSED,  /* claims and appends that found no room, holds beyond their number */
    OBJECT_COUNT_REPAIRED, /* objects that dead workers had been filling */
    OBJECT_COUNTS
};

/* Over all workers since the store was made; a killed worker may have forgotten its last one. */
uint64_t object_store_count(const struct object_store *store, enum object_count count);

struct object_usage {
    uint64_t objects, filling, markers, removed; /* removed: still held by readers */
    uint64_t pages, pages_free, bytes;           /* pages in use and their bytes */
    uint64_t promoted_pages;                     /* of those, in objects used more than once */
};

/* Exact when nobody changes anything meanwhile. Looks at all pages' words: 20 µs for 64 MiB. */
void object_store_usage(const struct object_store *store, struct object_usage *usage);
/*
 * Walks the whole store and tells the first thing that cannot be: a page of nobody, one of two
 * owners, a key that leads elsewhere, a chain of the wrong length. NULL: all is well. Nobody may
 * change anything meanwhile. For specs.
 */
const char *object_store_check(const struct object_store *store);
