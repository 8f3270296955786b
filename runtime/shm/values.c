/*
 * values — small objects whose first byte says whether the rest is a value or why there is none.
 */
#include "shm/values.h"

#include <assert.h>

#include "base/mem.h"
#include "crypto/sha256.h"
#include "shm/object_purge.h"
#include "shm/object_record.h"

#define KIND_TEXT    '+'
#define KIND_NOTHING '-'
/* Instead of a key that is too long for a first page; no cache's name is empty. */
#define DIGEST_MARK  "\0"
#define DIGEST_BYTES (sizeof(DIGEST_MARK) + SHA256_BYTES)

/* A key as the store takes it. */
struct stored_key {
    struct object_key key;
    char digest[DIGEST_BYTES];
};

static const struct object_key *stored_key(const struct values *values, struct slice key,
                                           struct stored_key *stored)
{
    stored->key = (struct object_key){.bytes = key};
    if (key.length > values->store.key_bytes_max) {
        memcpy(stored->digest, DIGEST_MARK, sizeof(DIGEST_MARK));
        sha256_of(key, stored->digest + sizeof(DIGEST_MARK));
        stored->key.bytes = slice_of(stored->digest, DIGEST_BYTES);
    }
    return &stored->key;
}

static struct object_store_shape shape_of(size_t bytes, uint32_t lanes)
{
    return (struct object_store_shape){bytes, VALUES_PAGE_BYTES, lanes};
}

size_t values_region_bytes(size_t bytes, uint32_t lanes)
{
    const struct object_store_shape shape = shape_of(bytes, lanes);
    return object_store_bytes(&shape);
}

bool values_init(struct values *values, struct segment *segment, size_t bytes, uint32_t lanes)
{
    const struct object_store_shape shape = shape_of(bytes, lanes);

    *values = (struct values){0};
    if (!object_store_init(&values->store, segment, "values", &shape))
        return false;
    if (values->store.object_bytes_max > VALUES_BYTES_MAX + 1)
        values->store.object_bytes_max = VALUES_BYTES_MAX + 1;
    values->copy = mem_alloc(values->store.object_bytes_max);
    return true;
}

void values_clear(struct values *values)
{
    object_store_clear(&values->store);
    free(values->copy);
    *values = (struct values){0};
}

/* How long it is, if all of it is there, be it not complete yet, or removed; else 0. */
static size_t whole_bytes(const struct object_record *record)
{
    uint64_t bytes = object_load(&record->bytes);
    bool is_whole =
        object_load(&record->metadata) != 0 && bytes == object_load(&record->body_bytes);
    return is_whole ? (size_t)bytes : 0;
}

static void copy_pages(const struct values *values, const struct object_hold *hold, size_t bytes)
{
    struct object_cursor cursor;

    object_store_seek(&values->store, hold, 0, &cursor);
    for (size_t length = 0; length < bytes;) {
        struct slice piece = object_store_read(&values->store, hold, &cursor, bytes - length);
        memcpy(values->copy + length, piece.start, piece.length);
        length += piece.length;
    }
}

enum value_kind values_read(struct values *values, const struct object_hold *hold,
                            struct slice *text)
{
    const struct object_record *record = object_record(&values->store, hold->page);
    size_t bytes = whole_bytes(record);

    if (bytes == 0)
        return VALUE_UNKNOWN;
    if (record->body_at + bytes <= values->store.page_bytes)
        memcpy(values->copy, (const char *)record + record->body_at, bytes);
    else
        copy_pages(values, hold, bytes);
    *text = slice_of(values->copy + 1, bytes - 1);
    return values->copy[0] == KIND_TEXT ? VALUE_TEXT : VALUE_NOTHING;
}

enum value_kind values_get(struct values *values, struct slice key, uint64_t now_ns,
                           struct slice *text)
{
    struct stored_key stored;
    struct object_hold hold;
    enum object_found found =
        object_store_find(&values->store, stored_key(values, key, &stored), now_ns, &hold);

    if (found != OBJECT_COMPLETE && found != OBJECT_FILLING)
        return VALUE_UNKNOWN;
    enum value_kind kind = values_read(values, &hold, text);
    object_store_release(&values->store, &hold);
    return kind;
}

/* ---- storing ---- */

static struct slice name_of(struct slice key)
{
    return slice_of(key.start, slice_find(key, '\0'));
}

static struct object_claim claim_of(const struct value_change *change)
{
    return (struct object_claim){
        .account = change->account, .route = name_of(change->key), .now_ns = change->now_ns};
}

/* All of it but its completion. */
static bool write(struct values *values, struct object_fill *fill, const struct value *value,
                  uint64_t now_ns)
{
    char kind = value->kind == VALUE_TEXT ? KIND_TEXT : KIND_NOTHING;
    const struct object_head head = {.useful_until_ns = value->expires_ns,
                                     .body_bytes = value->text.length + 1};
    struct object_store *store = &values->store;

    return object_fill_head(store, fill, &head, now_ns) == OBJECT_DONE &&
           object_fill_append(store, fill, slice_of(&kind, 1), now_ns) == OBJECT_DONE &&
           (value->text.length == 0 ||
            object_fill_append(store, fill, value->text, now_ns) == OBJECT_DONE) &&
           (!fill->is_apart || object_fill_take_place(store, fill, now_ns) == OBJECT_DONE);
}

/* Ends the fill. */
static bool finish(struct values *values, struct object_fill *fill, const struct value *value,
                   uint64_t now_ns)
{
    if (!write(values, fill, value, now_ns)) {
        object_fill_abort(&values->store, fill);
        return false;
    }
    if (value->expires_ns == 0) {
        object_fill_uncache(&values->store, fill, 0);
        return true;
    }
    return object_fill_complete(&values->store, fill);
}

bool values_put(struct values *values, const struct value_change *change, const struct value *value,
                bool only_new)
{
    const struct object_claim claim = claim_of(change);
    struct stored_key stored;
    const struct object_key *key = stored_key(values, change->key, &stored);
    struct object_fill fill;

    assert(value->expires_ns != 0);
    enum object_filled filled = only_new ? object_fill_claim(&values->store, key, &claim, &fill)
                                         : object_fill_make(&values->store, key, &claim, &fill);
    return filled == OBJECT_DONE && finish(values, &fill, value, change->now_ns);
}

void values_delete(struct values *values, struct slice key)
{
    struct stored_key stored;
    object_purge_key(&values->store, stored_key(values, key, &stored), OBJECT_PURGE_HARD);
}

void values_purge(struct values *values, struct slice name)
{
    object_purge_route(&values->store, name, OBJECT_PURGE_HARD);
}

uint64_t values_epoch(const struct values *values)
{
    return object_load(&values->store.shared->epoch);
}

/* ---- finding out, once for all ---- */

/* Of what is there already. */
static enum value_claim claim_again(struct values *values, struct object_hold *hold,
                                    struct value_flight *flight)
{
    bool is_ours = object_fill_refresh(&values->store, hold, &flight->refresh);
    object_store_release(&values->store, hold);
    return is_ours ? VALUE_CLAIMED : VALUE_TAKEN;
}

enum value_claim values_claim(struct values *values, const struct value_change *change, bool renews,
                              struct value_flight *flight)
{
    const struct object_claim claim = claim_of(change);
    struct stored_key stored;
    const struct object_key *key = stored_key(values, change->key, &stored);
    struct object_hold hold;

    *flight = (struct value_flight){0};
    enum object_found found = object_store_find(&values->store, key, change->now_ns, &hold);
    if (found == OBJECT_COMPLETE && renews)
        return claim_again(values, &hold, flight);
    if (found == OBJECT_COMPLETE || found == OBJECT_FILLING) {
        object_store_release(&values->store, &hold);
        return VALUE_TAKEN;
    }
    switch (object_fill_claim(&values->store, key, &claim, &flight->fill)) {
    case OBJECT_DONE:
        return VALUE_CLAIMED;
    case OBJECT_TAKEN:
        return VALUE_TAKEN;
    case OBJECT_TOO_LARGE:
    case OBJECT_NO_ROOM:
        break;
    }
    return VALUE_UNSHARED;
}

/* Of what is there the outcome takes the place, and only if it is to be kept. */
static bool replace(struct values *values, struct value_flight *flight, uint64_t now_ns,
                    const struct value *value)
{
    const struct object_record *old = object_record(&values->store, flight->refresh.object.page);
    struct object_claim claim = {.account = old->account, .now_ns = now_ns};

    if (value->expires_ns == 0 || object_fill_refresh_replace(&values->store, &flight->refresh,
                                                              &claim, &flight->fill) != OBJECT_DONE)
        return value->expires_ns == 0;
    flight->fill.is_apart = true;
    return finish(values, &flight->fill, value, now_ns);
}

bool values_land(struct values *values, struct value_flight *flight, uint64_t now_ns,
                 const struct value *value)
{
    bool is_refresh = flight->refresh.object.generation != 0, is_done = false;

    if (value != NULL)
        is_done = is_refresh ? replace(values, flight, now_ns, value)
                             : finish(values, &flight->fill, value, now_ns);
    object_fill_abort(&values->store, &flight->fill);
    object_fill_refresh_give_up(&values->store, &flight->refresh);
    *flight = (struct value_flight){0};
    return is_done;
}

bool values_is_flying(const struct values *values, const struct object_hold *hold)
{
    struct object_progress progress;

    object_store_progress(&values->store, hold, &progress);
    if (progress.state == OBJECT_IS_FILLING)
        return whole_bytes(object_record(&values->store, hold->page)) == 0;
    return progress.is_refreshing && !progress.is_removed;
}

bool values_hold_flight(struct values *values, struct slice key, uint64_t now_ns,
                        struct object_hold *hold)
{
    struct stored_key stored;
    enum object_found found =
        object_store_find(&values->store, stored_key(values, key, &stored), now_ns, hold);

    if (found != OBJECT_COMPLETE && found != OBJECT_FILLING)
        return false;
    if (values_is_flying(values, hold))
        return true;
    object_store_release(&values->store, hold);
    return false;
}
