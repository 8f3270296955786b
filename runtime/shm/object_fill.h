/*
 * object_fill — writing an object, while others read what is there of it.
 *
 * A key is claimed by one process, which then owes its end: complete, abort, uncache, or pass.
 * Readers are told of each step. Who dies owes nothing: the master aborts for it.
 *
 *     claim -> [vary] -> head -> append* -> complete
 *     refresh -> refresh_done (304) | refresh_replace -> head -> append* -> complete |
 * refresh_give_up
 *
 * For use by the process whose view it is, like all of object_store.h.
 */
#pragma once

#include "shm/object_store.h"

enum object_filled {
    OBJECT_DONE,
    OBJECT_TAKEN,     /* claim: somebody else was first, or it is there: find it */
    OBJECT_TOO_LARGE, /* the key, the metadata, or the body beyond the limit */
    OBJECT_NO_ROOM    /* what is there is held or of more use */
};

/* The right to validate what is held, which must be complete: one process at a time has it. */
struct object_refresh {
    struct object_hold object; /* held; generation 0: there is none */
    uint64_t stamp;            /* purges after it apply */
};

/* Of a fill whose object takes no more. */
enum object_flow {
    OBJECT_FLOW_NONE,
    OBJECT_FLOW_FIRST,  /* goes on in the first window, */
    OBJECT_FLOW_SECOND, /* or in the second one, while some still read the object, */
    OBJECT_FLOW_ROUND   /* from one to the other; the object has gone */
};

/* An object being written: plain data of the process that claimed it. */
struct object_fill {
    struct object_hold object;     /* generation 0: there is none. Not to be released */
    struct object_refresh refresh; /* of what it will take the place of, if any */
    uint64_t bytes;                /* of the body, so far */
    uint64_t body_bytes;           /* as the head said */
    uint32_t tail, tail_at;        /* the page that is written to, and where */
    struct object_hold windows[2]; /* of one of unknown length: shm/object_flow.h */
    uint32_t window;               /* the one that is written to */
    enum object_flow flow;
    bool has_head;
    bool is_apart; /* its key leads to it from object_fill_take_place() on */
};

struct object_claim {
    uint32_t account;   /* the caller's number, for instance of a counter by route */
    struct slice route; /* purged by that name; empty: none, or that of what is replaced */
    uint64_t now_ns;
    enum object_doubt doubt; /* of the right to fill it: as it was found PASSED */
};

struct object_head {
    struct slice metadata;    /* opaque, copied */
    const struct slice *tags; /* surrogate keys: any bytes */
    size_t tag_count;         /* with more than OBJECT_TAGS_MAX it is TOO_LARGE */
    /* Then not even stale: no longer found, and evicted before others. 0: never. */
    uint64_t useful_until_ns;
    uint64_t body_bytes; /* or OBJECT_BYTES_UNKNOWN */
};

/*
 * The right to fill the object of a key, of which nothing is there that can be used. What was there
 * and was purged, aborted, passed or of no more use is replaced. Others find it FILLING from now
 * on.
 */
enum object_filled object_fill_claim(struct object_store *store, const struct object_key *key,
                                     const struct object_claim *claim, struct object_fill *fill);
/* Likewise for a variant, of a marker that is held. */
enum object_filled object_fill_claim_variant(struct object_store *store,
                                             const struct object_hold *marker, struct slice variant,
                                             const struct object_claim *claim,
                                             struct object_fill *fill);
/*
 * Before its head, of a fill that was claimed by key: the key has variants, told apart as `rules`
 * say, and what is filled is the one of `variant`. Whoever waits for it finds the marker instead.
 * Of a fill that was claimed as a variant, when rules differ from those of its marker: likewise;
 * the variants of before are gone. Not DONE: the fill is as before, and is best uncached.
 */
enum object_filled object_fill_vary(struct object_store *store, struct object_fill *fill,
                                    struct slice rules, struct slice variant, uint64_t now_ns);
/* Before its head: its filler may leave at any moment, so nobody is to begin what it would not get
 * the end of. */
void object_fill_alone(struct object_store *store, struct object_fill *fill);
/* Once, before the body. All room that a body of known length needs is taken now; one of unknown
 * length may find none later: see shm/object_flow.h. Not DONE: the fill is as before. */
enum object_filled object_fill_head(struct object_store *store, struct object_fill *fill,
                                    const struct object_head *head, uint64_t now_ns);
/* All of `bytes`, or nothing. */
enum object_filled object_fill_append(struct object_store *store, struct object_fill *fill,
                                      struct slice bytes, uint64_t now_ns);
/* An object that nobody knows of until it takes the place of what its key leads to, whoever fills
 * that. Then it is best whole. */
enum object_filled object_fill_make(struct object_store *store, const struct object_key *key,
                                    const struct object_claim *claim, struct object_fill *fill);
/* After its head, of a fill that is apart: of what it was to refresh, if that is still there. Not
 * DONE: it is nobody's, and best aborted. */
enum object_filled object_fill_take_place(struct object_store *store, struct object_fill *fill,
                                          uint64_t now_ns);
/* What ends a fill clears it. */

/* After its head. False: it was less than the head said, and is aborted. */
bool object_fill_complete(struct object_store *store, struct object_fill *fill);
/* Failed: waiters fetch it themselves, one of them claims it. Harmless when there is none. */
void object_fill_abort(struct object_store *store, struct object_fill *fill);
/* Must not be stored or shared: waiters fetch it themselves, all at once. Until then it is found
 * PASSED; `until_ns` 0: this time only. */
void object_fill_uncache(struct object_store *store, struct object_fill *fill, uint64_t until_ns);
/* Likewise, then PASSED_BY_SOME: what others would get may be stored. */
void object_fill_uncache_for_some(struct object_store *store, struct object_fill *fill,
                                  uint64_t until_ns);
/* A hold for reading what one fills oneself. */
bool object_fill_hold(struct object_store *store, const struct object_fill *fill,
                      struct object_hold *hold);

/* ---- refreshing what is stored ---- */

/* False: somebody else validates it, or it is removed; the progress tells. */
bool object_fill_refresh(struct object_store *store, const struct object_hold *hold,
                         struct object_refresh *refresh);
/* It is still good (304): the head is replaced as a whole, the body stays, a soft purge is over.
 * Ends the refresh, DONE or not. */
enum object_filled object_fill_refresh_done(struct object_store *store,
                                            struct object_refresh *refresh,
                                            const struct object_head *head, uint64_t now_ns);
/* Another answer has come: `fill` is of the same key (and variant), and takes its place once it has
 * a head; readers keep what they hold. DONE: the refresh is the fill's from now on, and ends when
 * it has taken the place or failed. */
enum object_filled object_fill_refresh_replace(struct object_store *store,
                                               struct object_refresh *refresh,
                                               const struct object_claim *claim,
                                               struct object_fill *fill);
/* It failed, or proved nothing. Harmless when there is none. */
void object_fill_refresh_give_up(struct object_store *store, struct object_refresh *refresh);
