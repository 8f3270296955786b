/*
 * dict — a shared dictionary of strings and integers that live for a while.
 *
 * A value is written in full where nobody looks, then published by swapping
 * its key's cell; readers copy, and validate that the cell is still the same,
 * so nobody waits and nobody sees half a value. Incrementing publishes a new
 * value too, hence is exact over all workers.
 *
 * Nothing that lives is thrown away to make room: a full dictionary refuses
 * (DICT_NO_ROOM), and counts it. About three quarters of the bytes can live.
 *
 * Repair: a value whose writer was killed before publishing is unreachable, and
 * its room is won back with its page (see page_log.h); cells need none (see
 * cell_table.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "shm/cell_table.h"
#include "shm/page_log.h"
#include "shm/segment.h"

#define DICT_BYTES_MIN       131072
#define DICT_KEY_BYTES_MAX   1024
#define DICT_VALUE_BYTES_MAX 65536

struct dict_shared;

/* This process's view; embed it, and clear it when done. */
struct dict {
    struct dict_shared *shared;
    struct cell_table cells;
    struct page_log log;
    const struct hash_key *hash_key;
    char *copy; /* the value last read */
    size_t value_bytes_max;
};

enum dict_outcome {
    DICT_DONE,
    DICT_MISSING,     /* no such key, or its time is over */
    DICT_EXISTS,      /* add: the key has a value */
    DICT_NOT_INTEGER, /* increment: the value is a string */
    DICT_OUT_OF_RANGE,
    DICT_TOO_LARGE, /* the key or the value */
    DICT_NO_ROOM
};

enum dict_kind { DICT_STRING, DICT_INTEGER };

struct dict_value {
    enum dict_kind kind;
    struct slice string; /* of a read: valid until the next one from this view */
    int64_t integer;
    uint64_t expires_ns; /* 0: never */
};

/* The region `name` of `bytes`; false when the segment refuses it (see segment_allot). */
bool dict_init(struct dict *dict, struct segment *segment, const char *name, size_t bytes);
void dict_clear(struct dict *dict);
/* After fork, before anything is written: the lane of this process, see page_log.h. */
void dict_attach(struct dict *dict, uint32_t lane);

/* All of these take the time as `now_ns`, on the clock of `expires_ns`. */

enum dict_outcome dict_get(const struct dict *dict, struct slice key, uint64_t now_ns,
                           struct dict_value *value);
enum dict_outcome dict_set(struct dict *dict, struct slice key, uint64_t now_ns,
                           const struct dict_value *value);
/* Only where there is no value. */
enum dict_outcome dict_add(struct dict *dict, struct slice key, uint64_t now_ns,
                           const struct dict_value *value);
/*
 * Adds to an integer and keeps its expiry; `value` says what to add, and brings
 * the expiry for a key that had no value, which counts as 0. On DICT_DONE
 * value->integer is the sum.
 */
enum dict_outcome dict_increment(struct dict *dict, struct slice key, uint64_t now_ns,
                                 struct dict_value *value);
enum dict_outcome dict_delete(struct dict *dict, struct slice key, uint64_t now_ns);

/* The longest string that this dictionary takes: DICT_VALUE_BYTES_MAX, less in a small one. */
size_t dict_value_bytes_max(const struct dict *dict);
/* Bytes in use, and values refused for want of room. */
uint64_t dict_bytes_used(const struct dict *dict);
uint64_t dict_refused(const struct dict *dict);
