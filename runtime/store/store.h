/*
 * store — what must survive a restart: values by key, in a driver's keeping.
 *
 * Reads answer at once, from the loop. Changes come in batches, each of which happens as a whole or
 * not at all; they are made durable by a thread, all that have come meanwhile in one go, and only
 * then is their owner told. Any process that has opened the store sees them from then on, and finds
 * out which keys have changed from a journal.
 *
 * Which driver it is shows nowhere else (driver.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

#define STORE_KEY_BYTES_MAX    480
#define STORE_VALUE_BYTES_MAX  ((size_t)1 << 20)
#define STORE_OPERATIONS_MAX   1000
#define STORE_BYTES_DEFAULT    ((size_t)1 << 30)
#define STORE_BYTES_MIN        ((size_t)1 << 20)
#define STORE_BYTES_MAX        ((size_t)1 << 40)
#define STORE_REASON_BYTES_MAX 256
/* Batches that wait, of one process; and bytes in them. */
#define STORE_WAITING_MAX       10000
#define STORE_WAITING_BYTES_MAX ((size_t)64 << 20)
/* Changes that the journal has: who comes too late for one is told that it has missed some. */
#define STORE_CHANGES_MAX 10000

enum store_outcome {
    STORE_DONE,
    STORE_MISSING,
    STORE_CONFLICT,   /* a condition of the batch does not hold: nothing of it was done */
    STORE_NOT_NUMBER, /* what is to be added to is no whole number, or the sum is none */
    STORE_FULL,       /* the file, the disk, or the queue of batches */
    STORE_LOST,       /* of changes: some are in the journal no longer */
    STORE_FAILED      /* the log has more */
};

enum store_change {
    STORE_PUT,
    STORE_DELETE, /* what is not there, too */
    STORE_ADD,    /* to a whole number in decimal digits; nothing counts as 0 */
    STORE_RAISE,  /* such a number to `amount`, unless it is that much: as often as one likes */
    STORE_CHECK   /* changes nothing: for its condition */
};

enum store_condition {
    STORE_ALWAYS,
    STORE_IF_ABSENT,
    STORE_IF_PRESENT,
    STORE_IF_EQUAL /* to `expected` */
};

struct store_operation {
    enum store_change change;
    enum store_condition condition; /* of how it was before the batch */
    struct slice key;               /* 1 to STORE_KEY_BYTES_MAX bytes */
    struct slice value;             /* of a put; at most STORE_VALUE_BYTES_MAX */
    struct slice expected;
    uint64_t expires_ms; /* since the epoch, 0: never. What is added to keeps what was there. */
    int64_t amount, sum; /* of an add and a raise */
};

/* Its owner's, with all that it points to, until `done`. */
struct store_batch {
    struct store_batch *next; /* the store's */
    struct store_operation *operations;
    size_t count; /* 1 to STORE_OPERATIONS_MAX */
    void (*done)(struct store_batch *batch);
    enum store_outcome outcome; /* when `done` is called */
    size_t failed_at;           /* with CONFLICT and NOT_NUMBER: the operation */
    size_t bytes;               /* the store's */
};

struct store_record {
    struct slice key, value; /* valid until the store is read again */
    uint64_t expires_ms;     /* 0: never */
};

struct store_options {
    const char *path; /* a folder, made when it is not there */
    size_t bytes_max; /* that its file may have; 0: STORE_BYTES_DEFAULT */
};

struct loop;
struct store;

/* After forking, once in a process for each path. NULL with a sentence in `reason`
 * (STORE_REASON_BYTES_MAX). Blocks for as long as opening files takes. */
struct store *store_open(struct loop *loop, const struct store_options *options, char *reason);
/* Waits until all batches are done, and tells their owners. Clears `*store`. */
void store_close(struct store **store);

/* STORE_DONE, STORE_MISSING or STORE_FAILED. */
enum store_outcome store_get(struct store *store, struct slice key, struct store_record *record);
/* The first key after `after` (empty: of all) that begins with `prefix`, in the order of bytes. */
enum store_outcome store_next(struct store *store, struct slice prefix, struct slice after,
                              struct store_record *record);

/* Number of the last change; 0: there was none. */
uint64_t store_serial(struct store *store);
/*
 * The change after number `*serial`, which becomes its number: its key, in `record->key`. MISSING:
 * there is none yet. LOST: some are not known any more, and `*serial` is the last one.
 */
enum store_outcome store_next_change(struct store *store, uint64_t *serial,
                                     struct store_record *record);

/* `done` is called from the loop, later. False when too much waits already, or the batch is not
 * what it may be: then nothing happens. */
bool store_commit(struct store *store, struct store_batch *batch);
