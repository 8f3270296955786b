/*
 * store — one list of batches that wait, one that the thread commits.
 *
 * While the disk writes, others queue up: they go together with the next commit. So what a commit
 * costs is shared by all who wait, and nobody waits for longer than two of them.
 */
#include "store/store.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "net/background.h"
#include "net/loop.h"
#include "store/driver.h"

struct store {
    struct loop *loop;
    const struct store_driver *driver;
    void *state; /* the driver's */
    struct background *thread;
    struct background_job job;
    struct store_batch *waiting, **waiting_end;
    struct store_batch *committing; /* the thread's while the job runs; NULL: it does not */
    size_t waiting_count, waiting_bytes;
};

struct store *store_open(struct loop *loop, const struct store_options *options, char *reason)
{
    const struct store_driver *driver = &STORE_LMDB;
    void *state = driver->open(options, reason);
    if (state == NULL)
        return NULL;
    struct store *store = mem_zeroed(sizeof(*store));
    store->loop = loop;
    store->driver = driver;
    store->state = state;
    store->waiting_end = &store->waiting;
    store->thread = background_create(loop, BACKGROUND_PROMPT);
    return store;
}

void store_close(struct store **store)
{
    struct store *closed = *store;

    background_destroy(&closed->thread);
    assert(closed->waiting == NULL && closed->committing == NULL);
    closed->driver->close(closed->state);
    free(closed);
    *store = NULL;
}

static uint64_t now_ms(const struct store *store)
{
    return (uint64_t)(loop_now(store->loop) * 1000);
}

static bool is_key(struct slice key)
{
    return key.length > 0 && key.length <= STORE_KEY_BYTES_MAX;
}

enum store_outcome store_get(struct store *store, struct slice key, struct store_record *record)
{
    if (!is_key(key))
        return STORE_MISSING;
    return store->driver->get(store->state, key, now_ms(store), record);
}

enum store_outcome store_next(struct store *store, struct slice prefix, struct slice after,
                              struct store_record *record)
{
    if (prefix.length > STORE_KEY_BYTES_MAX || after.length > STORE_KEY_BYTES_MAX)
        return STORE_MISSING;
    return store->driver->next(store->state, prefix, after, now_ms(store), record);
}

uint64_t store_serial(struct store *store)
{
    return store->driver->serial(store->state);
}

enum store_outcome store_next_change(struct store *store, uint64_t *serial,
                                     struct store_record *record)
{
    return store->driver->next_change(store->state, serial, record);
}

/* Bytes of it, 0: it is not what it may be. */
static size_t measure(const struct store_batch *batch)
{
    size_t bytes = sizeof(*batch);

    if (batch->count == 0 || batch->count > STORE_OPERATIONS_MAX)
        return 0;
    for (size_t i = 0; i < batch->count; i++) {
        const struct store_operation *operation = &batch->operations[i];
        if (!is_key(operation->key) || operation->value.length > STORE_VALUE_BYTES_MAX)
            return 0;
        bytes += sizeof(*operation) + operation->key.length + operation->value.length +
                 operation->expected.length;
    }
    return bytes;
}

static void work(struct background_job *job)
{
    const struct store *store = CONTAINER_OF(job, struct store, job);
    store->driver->commit(store->state, store->committing);
}

static void start(struct store *store);

static void done(struct background_job *job)
{
    struct store *store = CONTAINER_OF(job, struct store, job);
    struct store_batch *batch = store->committing;

    store->committing = NULL;
    if (store->waiting != NULL)
        start(store); /* while their owners are told of these */
    while (batch != NULL) {
        struct store_batch *next = batch->next; /* its owner may free it */
        store->waiting_count--;
        store->waiting_bytes -= batch->bytes;
        batch->done(batch);
        batch = next;
    }
}

static void start(struct store *store)
{
    store->committing = store->waiting;
    store->waiting = NULL;
    store->waiting_end = &store->waiting;
    store->job = (struct background_job){.work = work, .done = done};
    background_submit(store->thread, &store->job);
}

bool store_commit(struct store *store, struct store_batch *batch)
{
    assert(batch->done != NULL);
    batch->bytes = measure(batch);
    if (batch->bytes == 0 || store->waiting_count == STORE_WAITING_MAX ||
        batch->bytes > STORE_WAITING_BYTES_MAX - store->waiting_bytes)
        return false;
    batch->next = NULL;
    store->waiting_count++;
    store->waiting_bytes += batch->bytes;
    *store->waiting_end = batch;
    store->waiting_end = &batch->next;
    if (store->committing == NULL)
        start(store);
    return true;
}
