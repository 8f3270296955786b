/*
 * lmdb_private — what the two halves of the LMDB driver share: how records lie in the file.
 *
 * Three tables: records (by key: when it expires, eight bytes, then the value), expiries (when,
 * then the key: in the order in which records expire), changes (by number: the key). Numbers are
 * big-endian in keys, so that they sort.
 */
#pragma once

#include <endian.h>
#include <lmdb.h>
#include <string.h>

#include "store/store.h"

#define LMDB_NUMBER_BYTES 8

struct lmdb {
    MDB_env *env;
    MDB_dbi records, expiries, changes;
    /* The loop's. */
    MDB_txn *reader; /* reset between two readings; NULL: none yet */
    char *scratch;   /* what was read last */
    size_t scratch_bytes;
    bool is_failing; /* which was logged */
    /* The thread's. */
    unsigned commits;
};

static inline MDB_val lmdb_value(struct slice slice)
{
    return (MDB_val){slice.length, (void *)slice.start};
}

static inline struct slice lmdb_slice(MDB_val value)
{
    return slice_of(value.mv_data, value.mv_size);
}

static inline void lmdb_put_number(char *bytes, uint64_t number)
{
    uint64_t swapped = htobe64(number);
    memcpy(bytes, &swapped, LMDB_NUMBER_BYTES);
}

static inline uint64_t lmdb_number(MDB_val value)
{
    uint64_t number = 0;
    if (value.mv_size >= LMDB_NUMBER_BYTES)
        memcpy(&number, value.mv_data, LMDB_NUMBER_BYTES);
    return be64toh(number);
}

/* When the record expires; 0: never. */
static inline uint64_t lmdb_expiry(MDB_val record)
{
    return lmdb_number(record);
}

static inline bool lmdb_is_expired(MDB_val record, uint64_t now_ms)
{
    uint64_t expires_ms = lmdb_expiry(record);
    return expires_ms != 0 && expires_ms <= now_ms;
}

static inline struct slice lmdb_value_of(MDB_val record)
{
    return record.mv_size >= LMDB_NUMBER_BYTES ? slice_after(lmdb_slice(record), LMDB_NUMBER_BYTES)
                                               : SLICE_NONE;
}

/* Number of the last change in that transaction, 0 when there was none; else an error of LMDB. */
int lmdb_last_change(const struct lmdb *lmdb, MDB_txn *transaction, uint64_t *serial);

/* Of the driver's table; in lmdb_commit.c. */
void lmdb_commit(void *state, struct store_batch *batches);
