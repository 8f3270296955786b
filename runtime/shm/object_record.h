/*
 * object_record — how an object lies in its first page; what all processes share of a store.
 *
 * The key, and what tells a variant from others, are written before the object is published and
 * stay; every other field is one word. Metadata is in the first page, or, once it was replaced or
 * where it is long, in a chain of pages of its own; one word says where, so that readers copy it
 * and look whether the word is still the same.
 */
#pragma once

#include "base/hash.h"
#include "shm/object_pages.h"
#include "shm/object_purge.h"

/* All that a page lacks to be an object, in order. */
struct object_record {
    uint64_t tag;             /* of its cell */
    uint64_t metadata;        /* object_metadata_word(); 0: none yet */
    uint64_t bytes;           /* of the body that can be read */
    uint64_t body_bytes;      /* of all of it, or OBJECT_BYTES_UNKNOWN */
    uint64_t waiters;         /* lanes that want to be told, modulo 64 */
    uint64_t stamp;           /* purges of a later one apply */
    uint64_t checked;         /* the epoch of purges in which it was last found good */
    uint64_t useful_until_ns; /* 0: for ever */

    uint64_t hard_stamp, soft_stamp; /* purges of it that are known */
    uint64_t serial;                 /* no other object has it */
    uint64_t marker_serial;          /* of a variant: its marker's */
    uint32_t refresher;              /* lane + 1 of who validates it */
    uint32_t refreshes;              /* as in object_progress */
    uint32_t account, route;         /* the route's place among the stamps; OBJECT_STAMP_NONE */
    uint32_t variants;               /* of a marker: how many ever came; else page + 1 of what
                                        follows: shm/object_flow.h */
    uint16_t flags;
    uint16_t key_length, url_at, variant_length;
    uint16_t metadata_at; /* in the first page, if it is there */
    uint16_t body_at;     /* in the first page; its end: nothing of the body is */
    char text[];          /* the key, the variant; a marker's ring at the end of the page */
};
_Static_assert(sizeof(struct object_record) == 128, "two cache lines");

#define OBJECT_FLAG_MARKER  1
#define OBJECT_FLAG_PASSED  2
#define OBJECT_FLAG_EVICTED 4
#define OBJECT_FLAG_WINDOW  8
#define OBJECT_FLAG_LONE    16
#define OBJECT_FLAG_DOUBTED 32
#define OBJECT_FLAG_OF_SOME 64 /* what is passed, or doubted, is so for some who ask alone */
#define OBJECT_STAMP_NONE   UINT32_MAX
/* Instead of an epoch. */
#define OBJECT_UNCHECKED UINT64_MAX

struct object_stamp {
    uint64_t hard, soft; /* of the last purge, 0: none */
};

struct object_prefix {
    uint64_t stamp;  /* 0: free, or being written */
    uint32_t writer; /* lane + 1 */
    uint16_t length, kind;
    char text[OBJECT_PURGE_PREFIX_BYTES_MAX];
};

/* Words that several processes write are on cache lines of their own. */
struct object_store_shared {
    uint64_t attached[16]; /* a bit for each lane: its process lives, or was not forgotten */
    uint64_t known[16];    /* ... somebody ever was there */
    uint64_t epoch;        /* changes after each purge; read with every find */
    uint64_t unused_by_readers[15];
    uint64_t stamp; /* of the last purge */
    uint64_t all_hard, all_soft;
    uint64_t serial; /* of the last object */
    uint64_t unused_by_fillers[12];
    uint64_t inserted; /* pages, ever */
    uint64_t small_hand, main_hand;
    uint64_t unused[13];
    uint32_t page_end; /* object_pages_end(); changes seldom */
    uint32_t unused_after_end[31];
    struct object_prefix prefixes[OBJECT_PURGE_PREFIXES_MAX];
};

/* Where a key leads: to a first page while it has this generation. */
static inline uint64_t object_reference(uint32_t page, uint32_t generation)
{
    return (uint64_t)generation << OBJECT_PAGE_GENERATION_SHIFT | page;
}

static inline struct object_hold object_of_reference(uint64_t reference)
{
    return (struct object_hold){.page = object_page_info(reference),
                                .generation = object_page_generation(reference)};
}

static inline bool object_is_same(const struct object_hold *one, const struct object_hold *other)
{
    return one->page == other->page && one->generation == other->generation;
}

static inline struct object_record *object_record(const struct object_store *store, uint32_t page)
{
    return (struct object_record *)(void *)object_page_at(store, page);
}

static inline uint64_t object_load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_SEQ_CST);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the builtin writes through it. */
static inline void object_store_word(uint64_t *word, uint64_t value)
{
    __atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

static inline uint64_t object_key_tag(const struct object_store *store, struct slice key)
{
    return cell_tag(hash_slice(store->hash_key, key));
}

/* Of a variant: no other marker's has it, whatever the key. */
static inline uint64_t object_variant_tag(const struct object_store *store, uint64_t marker_serial,
                                          struct slice variant)
{
    struct slice serial = {(const char *)&marker_serial, sizeof(marker_serial)};
    return cell_tag(hash_pair(store->hash_key, serial, variant));
}

static inline struct slice object_record_key(const struct object_record *record)
{
    return slice_of(record->text, record->key_length);
}

static inline struct slice object_record_variant(const struct object_record *record)
{
    return slice_of(record->text + record->key_length, record->variant_length);
}

/* Where the first page is free behind key and variant. */
static inline size_t object_record_text_end(const struct object_record *record)
{
    size_t end = offsetof(struct object_record, text) + record->key_length + record->variant_length;
    return (end + 7) & ~(size_t)7;
}

/* Whether a state is that of an object which readers may hold. */
static inline bool object_is_there(uint64_t state, uint32_t generation)
{
    enum object_page_kind kind = object_page_kind(state);
    return object_page_generation(state) == generation &&
           (kind == OBJECT_PAGE_FILLING || kind == OBJECT_PAGE_COMPLETE);
}
