/*
 * name_table — shared small numbers for names with labels, given once and for good.
 *
 * An entry is written in full where nobody looks, then published by one
 * compare-and-swap; from then on it never changes, so that slices into it stay
 * valid as long as the segment is mapped. Names are never removed: what comes
 * and goes with the traffic does not belong here.
 *
 * Repair: a process that is killed before it published, or loses a race for a
 * name, leaves one number and its text unused, never half a name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/slice.h"

/* Name and labels together. */
#define NAME_TEXT_BYTES_MAX 2048
/* The number of every name that found no room; real ones begin behind it. */
#define NAME_NONE 0

struct name_table_shared;

/* This process's view. */
struct name_table {
    struct name_table_shared *shared;
    const struct hash_key *hash_key;
};

struct name_view {
    struct slice name, labels; /* of the shared memory */
    uint32_t kind, number;
};

struct name_table_limits {
    uint32_t names;    /* NAME_NONE included; numbers are below it */
    size_t text_bytes; /* for all names and labels; each entry costs 24 more */
};

size_t name_table_bytes(const struct name_table_limits *limits);
/* Over zeroed memory, or over the table that another process made there with equal limits: else
 * false. */
bool name_table_init(struct name_table *table, void *memory, const struct name_table_limits *limits,
                     const struct hash_key *hash_key);

/*
 * The number of (kind, name, labels), given now if it is new. NAME_NONE when the
 * table is full or the text too long, which is counted: see name_table_refused().
 */
uint32_t name_table_intern(const struct name_table *table, uint32_t kind, struct slice name,
                           struct slice labels);

/* The number that it has been given; NAME_NONE, which is not counted, when it has none. */
uint32_t name_table_find(const struct name_table *table, uint32_t kind, struct slice name,
                         struct slice labels);

/* Visits all names, in no order; `*cursor` begins at 0. False when there are no more. */
bool name_table_next(const struct name_table *table, size_t *cursor, struct name_view *view);

uint32_t name_table_count(const struct name_table *table);
uint64_t name_table_refused(const struct name_table *table);
