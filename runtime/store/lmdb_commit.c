/*
 * lmdb_commit — changing a store that LMDB keeps: many batches, one transaction, one wait for the
 * disk.
 *
 * Runs in the store's thread. The lock that writers of all processes share is robust: one that was
 * killed leaves the file as of its last commit. Conditions of a batch are looked at before any of
 * its operations, so that one that does not hold needs nothing undone; when the file itself fails,
 * the transaction does, and each batch is tried alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/driver.h"
#include "store/lmdb_private.h"

/* Records that have expired, deleted with each commit. */
#define EXPIRED_MAX       100
#define COMMITS_PER_CHECK 256
/* Decimal digits of a number, with its sign. */
#define NUMBER_BYTES_MAX 24

struct writing {
    const struct lmdb *lmdb;
    MDB_txn *transaction;
    uint64_t now_ms;
    uint64_t serial; /* of the last change */
};

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Notes that the key has changed, and forgets the oldest change when there are too many. */
static int note(struct writing *writing, struct slice name)
{
    char number[LMDB_NUMBER_BYTES];
    MDB_val at = {sizeof(number), number}, key = lmdb_value(name);

    lmdb_put_number(number, ++writing->serial);
    int error = mdb_put(writing->transaction, writing->lmdb->changes, &at, &key, MDB_APPEND);
    if (error != 0 || writing->serial <= STORE_CHANGES_MAX)
        return error;
    lmdb_put_number(number, writing->serial - STORE_CHANGES_MAX);
    error = mdb_del(writing->transaction, writing->lmdb->changes, &at, NULL);
    return error == MDB_NOTFOUND ? 0 : error;
}

/* The text under which `expiries` has the record; room: LMDB_NUMBER_BYTES more than a key. */
static MDB_val expiry_name(char *room, uint64_t expires_ms, struct slice name)
{
    lmdb_put_number(room, expires_ms);
    memcpy(room + LMDB_NUMBER_BYTES, name.start, name.length);
    return (MDB_val){LMDB_NUMBER_BYTES + name.length, room};
}

/* What is there that has not expired: 0, MDB_NOTFOUND or another error. Valid until the next
 * change. */
static int find(struct writing *writing, struct slice name, MDB_val *found)
{
    MDB_val key = lmdb_value(name);
    int error = mdb_get(writing->transaction, writing->lmdb->records, &key, found);
    if (error == 0 && lmdb_is_expired(*found, writing->now_ms))
        return MDB_NOTFOUND;
    return error;
}

/* Forgets the record's expiry, and the record. */
static int clear(struct writing *writing, struct slice name, bool *was_there)
{
    char room[LMDB_NUMBER_BYTES + STORE_KEY_BYTES_MAX];
    MDB_val key = lmdb_value(name), found;
    int error = mdb_get(writing->transaction, writing->lmdb->records, &key, &found);

    *was_there = error == 0;
    if (error != 0)
        return error == MDB_NOTFOUND ? 0 : error;
    uint64_t expires_ms = lmdb_expiry(found);
    error = mdb_del(writing->transaction, writing->lmdb->records, &key, NULL);
    if (error != 0 || expires_ms == 0)
        return error;
    MDB_val when = expiry_name(room, expires_ms, name);
    error = mdb_del(writing->transaction, writing->lmdb->expiries, &when, NULL);
    return error == MDB_NOTFOUND ? 0 : error;
}

static int put(struct writing *writing, struct slice name, struct slice value, uint64_t expires_ms)
{
    char room[LMDB_NUMBER_BYTES + STORE_KEY_BYTES_MAX];
    MDB_val key = lmdb_value(name), record = {LMDB_NUMBER_BYTES + value.length, NULL};
    bool was_there;
    int error = clear(writing, name, &was_there);

    if (error == 0)
        error = mdb_put(writing->transaction, writing->lmdb->records, &key, &record, MDB_RESERVE);
    if (error != 0)
        return error;
    lmdb_put_number(record.mv_data, expires_ms);
    if (value.length > 0)
        memcpy((char *)record.mv_data + LMDB_NUMBER_BYTES, value.start, value.length);
    if (expires_ms != 0) {
        MDB_val when = expiry_name(room, expires_ms, name), nothing = {0, ""};
        error = mdb_put(writing->transaction, writing->lmdb->expiries, &when, &nothing, 0);
    }
    return error == 0 ? note(writing, name) : error;
}

static int delete (struct writing *writing, struct slice name)
{
    bool was_there;
    int error = clear(writing, name, &was_there);
    return error == 0 && was_there ? note(writing, name) : error;
}

/* Decimal digits, at most with a sign before them. */
static bool read_number(struct slice text, int64_t *number)
{
    char digits[NUMBER_BYTES_MAX];
    char *end;

    if (text.length == 0 || text.length >= sizeof(digits))
        return false;
    memcpy(digits, text.start, text.length);
    digits[text.length] = '\0';
    errno = 0;
    *number = strtoll(digits, &end, 10);
    return errno == 0 && end == digits + text.length;
}

static bool is_of_numbers(const struct store_operation *operation)
{
    return operation->change == STORE_ADD || operation->change == STORE_RAISE;
}

/* False when there is no sum; the number of what is not there is 0. */
static bool add_up(const struct store_operation *operation, bool is_there, MDB_val found,
                   int64_t *sum)
{
    int64_t before = 0;

    if (is_there && !read_number(lmdb_value_of(found), &before))
        return false;
    if (operation->change == STORE_ADD)
        return !__builtin_add_overflow(before, operation->amount, sum);
    *sum = before > operation->amount ? before : operation->amount;
    return true;
}

static int add(struct writing *writing, struct store_operation *operation)
{
    char digits[NUMBER_BYTES_MAX];
    MDB_val found = {0};
    int error = find(writing, operation->key, &found);
    bool is_there = error == 0;

    if (error != 0 && error != MDB_NOTFOUND)
        return error;
    /* Twice to the same number in one batch: beyond what fits, all of it fails. */
    if (!add_up(operation, is_there, found, &operation->sum))
        return EINVAL;
    int length = snprintf(digits, sizeof(digits), "%" PRId64, operation->sum);
    return put(writing, operation->key, slice_of(digits, (size_t)length),
               is_there ? lmdb_expiry(found) : operation->expires_ms);
}

static bool holds(const struct store_operation *operation, bool is_there, MDB_val found)
{
    switch (operation->condition) {
    case STORE_IF_ABSENT:
        return !is_there;
    case STORE_IF_PRESENT:
        return is_there;
    case STORE_IF_EQUAL:
        return is_there && slice_equals(lmdb_value_of(found), operation->expected);
    case STORE_ALWAYS:
    default:
        return true;
    }
}

/* Whether the operation may be done, in *outcome. */
static int look_at(struct writing *writing, const struct store_operation *operation,
                   enum store_outcome *outcome)
{
    MDB_val found = {0};
    int64_t sum;

    *outcome = STORE_DONE;
    if (operation->condition == STORE_ALWAYS && !is_of_numbers(operation))
        return 0;
    int error = find(writing, operation->key, &found);
    if (error != 0 && error != MDB_NOTFOUND)
        return error;
    if (!holds(operation, error == 0, found))
        *outcome = STORE_CONFLICT;
    else if (is_of_numbers(operation) && !add_up(operation, error == 0, found, &sum))
        *outcome = STORE_NOT_NUMBER;
    return 0;
}

static int do_one(struct writing *writing, struct store_operation *operation)
{
    switch (operation->change) {
    case STORE_PUT:
        return put(writing, operation->key, operation->value, operation->expires_ms);
    case STORE_DELETE:
        return delete (writing, operation->key);
    case STORE_ADD:
    case STORE_RAISE:
        return add(writing, operation);
    case STORE_CHECK:
    default:
        return 0;
    }
}

/* An error of LMDB is the transaction's end. */
static int do_batch(struct writing *writing, struct store_batch *batch)
{
    int error = 0;

    for (size_t i = 0; i < batch->count && error == 0; i++) {
        error = look_at(writing, &batch->operations[i], &batch->outcome);
        batch->failed_at = i;
        if (batch->outcome != STORE_DONE)
            return error;
    }
    for (size_t i = 0; i < batch->count && error == 0; i++)
        error = do_one(writing, &batch->operations[i]);
    return error;
}

/* The record that expires first, when it has: 0, MDB_NOTFOUND or another error. `room` holds its
 * key afterwards. */
static int find_expired(struct writing *writing, char *room, struct slice *name)
{
    MDB_cursor *cursor;
    MDB_val when, nothing;
    int error = mdb_cursor_open(writing->transaction, writing->lmdb->expiries, &cursor);

    if (error != 0)
        return error;
    error = mdb_cursor_get(cursor, &when, &nothing, MDB_FIRST);
    if (error == 0 && lmdb_number(when) > writing->now_ms)
        error = MDB_NOTFOUND;
    if (error == 0) {
        *name = slice_of(room, when.mv_size - LMDB_NUMBER_BYTES);
        memcpy(room, (const char *)when.mv_data + LMDB_NUMBER_BYTES, name->length);
    }
    mdb_cursor_close(cursor);
    return error;
}

static int sweep(struct writing *writing)
{
    char room[STORE_KEY_BYTES_MAX];
    struct slice name;
    int error = 0;

    for (int i = 0; i < EXPIRED_MAX && error == 0; i++) {
        error = find_expired(writing, room, &name);
        if (error == 0)
            error = delete (writing, name);
    }
    return error == MDB_NOTFOUND ? 0 : error;
}

/* The batches from `first` up to `end`, or none of them. */
static int write_all(struct lmdb *lmdb, struct store_batch *first, const struct store_batch *end)
{
    struct writing writing = {.lmdb = lmdb, .now_ms = clock_ms()};
    int error = mdb_txn_begin(lmdb->env, NULL, 0, &writing.transaction);

    if (error != 0)
        return error;
    error = lmdb_last_change(lmdb, writing.transaction, &writing.serial);
    if (error == 0)
        error = sweep(&writing);
    for (struct store_batch *batch = first; batch != end && error == 0; batch = batch->next)
        error = do_batch(&writing, batch);
    if (error == 0)
        return mdb_txn_commit(writing.transaction);
    mdb_txn_abort(writing.transaction);
    return error;
}

void lmdb_commit(void *state, struct store_batch *batches)
{
    struct lmdb *lmdb = state;
    int dead, error = write_all(lmdb, batches, NULL);

    if (error != 0 || ++lmdb->commits % COMMITS_PER_CHECK == 0)
        mdb_reader_check(lmdb->env, &dead); /* who was killed while it read keeps pages */
    if (error == 0)
        return;
    for (struct store_batch *batch = batches; batch != NULL; batch = batch->next) {
        error = write_all(lmdb, batch, batch->next);
        if (error == 0)
            continue;
        batch->outcome = error == MDB_MAP_FULL || error == ENOSPC ? STORE_FULL : STORE_FAILED;
        log_write(LOG_ERROR, "the store cannot be written: %s", mdb_strerror(error));
    }
}
