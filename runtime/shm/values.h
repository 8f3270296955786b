/*
 * values — what plugins have found out with effort, kept for a while for all workers.
 *
 * A store like that of answers (shm/object_store.h), so found, filled once for all, waited for,
 * evicted and repaired as they are, but with memory of its own: neither can push out the other, and
 * no purge of answers reaches it. Its pages are small, as most values are.
 *
 * A key is the name of a cache, NUL, and what the cache calls it; the name is what it is purged by.
 * Nothing may depend on a value still being there.
 */
#pragma once

#include "shm/object_fill.h"

#define VALUES_PAGE_BYTES 256
#define VALUES_BYTES_MAX  65536 /* of a value, less in a small store */

enum value_kind {
    VALUE_UNKNOWN,
    VALUE_TEXT,
    VALUE_NOTHING /* it is known that there is none; the text says why */
};

/* This process's view; embed it, and clear it when done. */
struct values {
    struct object_store store;
    char *copy; /* of the value last read */
};

struct value {
    enum value_kind kind;
    struct slice text;   /* of a read: valid until the next one from this view */
    uint64_t expires_ns; /* 0: not kept at all, only told to those who wait for it */
};

size_t values_region_bytes(size_t bytes, uint32_t lanes);
/* False when the segment refuses it (see segment_allot). */
bool values_init(struct values *values, struct segment *segment, size_t bytes, uint32_t lanes);
void values_clear(struct values *values);

/* VALUE_UNKNOWN where there is none. No allocation, no lock, no system call. */
enum value_kind values_get(struct values *values, struct slice key, uint64_t now_ns,
                           struct slice *text);

struct value_change {
    struct slice key;
    uint32_t account; /* what eviction tells: shm/object_store.h */
    uint64_t now_ns;
};

/* Replaces what is there, or, `only_new`, does nothing then, nor while it is being found out.
 * False: it is not stored. */
bool values_put(struct values *values, const struct value_change *change, const struct value *value,
                bool only_new);
/* What is being found out meanwhile is not kept, either. */
void values_delete(struct values *values, struct slice key);
/* All of a cache, in all workers at once. */
void values_purge(struct values *values, struct slice name);
/* Changes after each purge. */
uint64_t values_epoch(const struct values *values);

/* ---- finding out, once for all ---- */

/* The right and the duty to find out the value of a key: to be ended. All zero: there is none. */
struct value_flight {
    struct object_fill fill;
    struct object_refresh refresh; /* what is there stays until there is something else */
};

enum value_claim {
    VALUE_CLAIMED,
    VALUE_TAKEN,   /* somebody finds it out, or, unless it renews, has done so just now */
    VALUE_UNSHARED /* there is no room to tell others */
};

enum value_claim values_claim(struct values *values, const struct value_change *change, bool renews,
                              struct value_flight *flight);
/* Stores the outcome, and tells who waits. NULL: there is none. Ends the flight. False: it could
 * not be stored, and those who wait have nothing. */
bool values_land(struct values *values, struct value_flight *flight, uint64_t now_ns,
                 const struct value *value);

/* Holds what somebody is finding out; false: nobody is. */
bool values_hold_flight(struct values *values, struct slice key, uint64_t now_ns,
                        struct object_hold *hold);
/* What is held has not ended. */
bool values_is_flying(const struct values *values, const struct object_hold *hold);
/* As values_get(), of what is held and not flying any more. */
enum value_kind values_read(struct values *values, const struct object_hold *hold,
                            struct slice *text);
