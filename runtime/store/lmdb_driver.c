/*
 * lmdb_driver — a store in a file that LMDB keeps: opening it, and reading.
 *
 * Readers take no lock and wait for nobody: they see the file as of the last commit. Slots of
 * readers belong to transactions, not threads (MDB_NOTLS), as reading is the loop's and writing
 * another thread's. What was read is copied, so that no transaction stays open: one that did would
 * keep old pages from being used again.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/driver.h"
#include "store/lmdb_private.h"

/* Transactions that read at a time, of all processes. */
#define READERS_MAX 1024
#define TABLES      3
#define FILE_MODE   0600
#define FOLDER_MODE 0700

static void *refuse(char *reason, const char *path, int error)
{
    snprintf(reason, STORE_REASON_BYTES_MAX, "the store in %.120s cannot be opened: %s", path,
             error == MDB_INVALID || error == MDB_VERSION_MISMATCH ? "its file is not a store's"
                                                                   : mdb_strerror(error));
    return NULL;
}

static int open_tables(struct lmdb *lmdb)
{
    MDB_txn *transaction;
    int error = mdb_txn_begin(lmdb->env, NULL, 0, &transaction);

    if (error != 0)
        return error;
    error = mdb_dbi_open(transaction, "records", MDB_CREATE, &lmdb->records);
    if (error == 0)
        error = mdb_dbi_open(transaction, "expiries", MDB_CREATE, &lmdb->expiries);
    if (error == 0)
        error = mdb_dbi_open(transaction, "changes", MDB_CREATE, &lmdb->changes);
    if (error == 0)
        return mdb_txn_commit(transaction);
    mdb_txn_abort(transaction);
    return error;
}

static int open_env(struct lmdb *lmdb, const struct store_options *options)
{
    size_t bytes_max = options->bytes_max > 0 ? options->bytes_max : STORE_BYTES_DEFAULT;
    int dead = 0, error = mdb_env_create(&lmdb->env);

    if (error == 0)
        error = mdb_env_set_mapsize(lmdb->env, bytes_max);
    if (error == 0)
        error = mdb_env_set_maxreaders(lmdb->env, READERS_MAX);
    if (error == 0)
        error = mdb_env_set_maxdbs(lmdb->env, TABLES);
    if (error == 0)
        error = mdb_env_open(lmdb->env, options->path, MDB_NOTLS, FILE_MODE);
    if (error == 0)
        error = mdb_reader_check(lmdb->env, &dead); /* of processes that were killed */
    return error == 0 ? open_tables(lmdb) : error;
}

static void lmdb_close(void *state)
{
    struct lmdb *lmdb = state;

    if (lmdb->reader != NULL)
        mdb_txn_abort(lmdb->reader);
    if (lmdb->env != NULL)
        mdb_env_close(lmdb->env);
    free(lmdb->scratch);
    free(lmdb);
}

static void *lmdb_open(const struct store_options *options, char *reason)
{
    if (mkdir(options->path, FOLDER_MODE) != 0 && errno != EEXIST)
        return refuse(reason, options->path, errno);
    struct lmdb *lmdb = mem_zeroed(sizeof(*lmdb));
    int error = open_env(lmdb, options);
    if (error == 0)
        return lmdb;
    lmdb_close(lmdb);
    return refuse(reason, options->path, error);
}

/* The first failure of several in a row is logged. */
static enum store_outcome fail(struct lmdb *lmdb, int error)
{
    if (error == 0 || error == MDB_NOTFOUND) {
        lmdb->is_failing = false;
        return error == 0 ? STORE_DONE : STORE_MISSING;
    }
    if (!lmdb->is_failing)
        log_write(LOG_ERROR, "the store cannot be read: %s", mdb_strerror(error));
    lmdb->is_failing = true;
    return STORE_FAILED;
}

static int begin(struct lmdb *lmdb)
{
    return lmdb->reader != NULL ? mdb_txn_renew(lmdb->reader)
                                : mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &lmdb->reader);
}

/* Copies key and value, which are the file's until then. */
static void keep(struct lmdb *lmdb, MDB_val key, struct slice value, struct store_record *record)
{
    size_t bytes = key.mv_size + value.length;

    if (bytes > lmdb->scratch_bytes) {
        lmdb->scratch = mem_resize(lmdb->scratch, 2 * bytes);
        lmdb->scratch_bytes = 2 * bytes;
    }
    if (key.mv_size > 0)
        memcpy(lmdb->scratch, key.mv_data, key.mv_size);
    if (value.length > 0)
        memcpy(lmdb->scratch + key.mv_size, value.start, value.length);
    record->key = slice_of(lmdb->scratch, key.mv_size);
    record->value = slice_of(lmdb->scratch + key.mv_size, value.length);
}

static void keep_record(struct lmdb *lmdb, MDB_val key, MDB_val found, struct store_record *record)
{
    keep(lmdb, key, lmdb_value_of(found), record);
    record->expires_ms = lmdb_expiry(found);
}

static enum store_outcome lmdb_get(void *state, struct slice key, uint64_t now_ms,
                                   struct store_record *record)
{
    struct lmdb *lmdb = state;
    MDB_val name = lmdb_value(key), found;
    int error = begin(lmdb);

    if (error != 0)
        return fail(lmdb, error);
    error = mdb_get(lmdb->reader, lmdb->records, &name, &found);
    if (error == 0 && lmdb_is_expired(found, now_ms))
        error = MDB_NOTFOUND;
    if (error == 0)
        keep_record(lmdb, name, found, record);
    mdb_txn_reset(lmdb->reader);
    return fail(lmdb, error);
}

static bool has_prefix(MDB_val key, struct slice prefix)
{
    return key.mv_size >= prefix.length &&
           (prefix.length == 0 || memcmp(key.mv_data, prefix.start, prefix.length) == 0);
}

/* To the first key from `from` on, all when that is empty. */
static int seek(MDB_cursor *cursor, struct slice from, MDB_val *name, MDB_val *content)
{
    *name = lmdb_value(from);
    return mdb_cursor_get(cursor, name, content, from.length > 0 ? MDB_SET_RANGE : MDB_FIRST);
}

static int find_next(MDB_cursor *cursor, struct slice prefix, struct slice after, MDB_val *key,
                     MDB_val *found)
{
    int error = seek(cursor, after.length > 0 ? after : prefix, key, found);

    if (error == 0 && after.length > 0 && slice_equals(lmdb_slice(*key), after))
        error = mdb_cursor_get(cursor, key, found, MDB_NEXT);
    return error;
}

static enum store_outcome lmdb_next(void *state, struct slice prefix, struct slice after,
                                    uint64_t now_ms, struct store_record *record)
{
    struct lmdb *lmdb = state;
    MDB_cursor *cursor = NULL;
    MDB_val key, found;
    int error = begin(lmdb);

    if (error == 0)
        error = mdb_cursor_open(lmdb->reader, lmdb->records, &cursor);
    if (error == 0)
        error = find_next(cursor, prefix, after, &key, &found);
    while (error == 0 && has_prefix(key, prefix) && lmdb_is_expired(found, now_ms))
        error = mdb_cursor_get(cursor, &key, &found, MDB_NEXT);
    if (error == 0 && !has_prefix(key, prefix))
        error = MDB_NOTFOUND;
    if (error == 0)
        keep_record(lmdb, key, found, record);
    if (cursor != NULL)
        mdb_cursor_close(cursor);
    if (lmdb->reader != NULL)
        mdb_txn_reset(lmdb->reader);
    return fail(lmdb, error);
}

int lmdb_last_change(const struct lmdb *lmdb, MDB_txn *transaction, uint64_t *serial)
{
    MDB_cursor *cursor;
    MDB_val number, key;
    int error = mdb_cursor_open(transaction, lmdb->changes, &cursor);

    if (error != 0)
        return error;
    error = mdb_cursor_get(cursor, &number, &key, MDB_LAST);
    *serial = error == 0 ? lmdb_number(number) : 0;
    mdb_cursor_close(cursor);
    return error == MDB_NOTFOUND ? 0 : error;
}

static uint64_t lmdb_serial(void *state)
{
    struct lmdb *lmdb = state;
    uint64_t serial = 0;
    int error = begin(lmdb);

    if (error == 0) {
        error = lmdb_last_change(lmdb, lmdb->reader, &serial);
        mdb_txn_reset(lmdb->reader);
    }
    fail(lmdb, error);
    return serial;
}

/* The first change after `after`. */
static int find_change(struct lmdb *lmdb, uint64_t after, MDB_val *number, MDB_val *key)
{
    char from[LMDB_NUMBER_BYTES];
    MDB_cursor *cursor;
    int error = mdb_cursor_open(lmdb->reader, lmdb->changes, &cursor);

    if (error != 0)
        return error;
    lmdb_put_number(from, after + 1);
    error = seek(cursor, slice_of(from, sizeof(from)), number, key);
    mdb_cursor_close(cursor);
    return error;
}

static enum store_outcome lmdb_next_change(void *state, uint64_t *serial,
                                           struct store_record *record)
{
    struct lmdb *lmdb = state;
    MDB_val number, key;
    int error = begin(lmdb);
    bool is_lost = false;

    if (error != 0)
        return fail(lmdb, error);
    error = find_change(lmdb, *serial, &number, &key);
    if (error == 0) {
        is_lost = lmdb_number(number) != *serial + 1;
        *serial = lmdb_number(number);
        keep(lmdb, key, SLICE_NONE, record);
    }
    if (is_lost)
        error = lmdb_last_change(lmdb, lmdb->reader, serial);
    mdb_txn_reset(lmdb->reader);
    return error == 0 && is_lost ? STORE_LOST : fail(lmdb, error);
}

const struct store_driver STORE_LMDB = {
    .open = lmdb_open,
    .close = lmdb_close,
    .get = lmdb_get,
    .next = lmdb_next,
    .serial = lmdb_serial,
    .next_change = lmdb_next_change,
    .commit = lmdb_commit,
};
