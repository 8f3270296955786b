/*
 * consumers — records in one buffer, and two indices that lead to them.
 *
 * A record is at a place, which counts units of eight bytes. A consumer's is six texts: its name,
 * its plan, and four that are lists, which hold texts themselves. A text is its length in four
 * bytes and then its bytes.
 */
#include "bridge/consumers.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "bridge/consumer_index.h"

#define UNIT             ((size_t)8)
#define BUFFER_BYTES_MAX (UNIT * INT_MAX)
#define LENGTH_BYTES     sizeof(uint32_t)
#define EXPIRES          ((uint32_t)1 << 31)

/* An API key's takes 48 bytes. */
struct credential_record {
    uint32_t consumer, name_length;
    uint32_t secret_length; /* with EXPIRES in it */
    /* The time when it expires, if it does, the name, the secret. */
};

struct consumers {
    struct hash_key hash_key;
    struct consumer_index by_name, by_credential;
    char *bytes;
    size_t used, room;
    uint32_t *sorted; /* places, by name; NULL: not sorted */
};

struct consumers *consumers_create(void)
{
    struct consumers *consumers = mem_zeroed(sizeof(*consumers));
    hash_key_init(&consumers->hash_key);
    consumers->used = UNIT; /* no record is at 0 */
    return consumers;
}

void consumers_destroy(struct consumers **consumers)
{
    free((*consumers)->bytes);
    free((*consumers)->sorted);
    consumer_index_clear(&(*consumers)->by_name);
    consumer_index_clear(&(*consumers)->by_credential);
    free(*consumers);
    *consumers = NULL;
}

static uint32_t hash_of(const struct consumers *consumers, struct slice text)
{
    return (uint32_t)hash_slice(&consumers->hash_key, text);
}

static const char *record_at(const struct consumers *consumers, uint32_t place)
{
    return consumers->bytes + place * UNIT;
}

/* ---- writing ---- */

/* Room for a record of `bytes` behind the others; its place, or 0. */
static uint32_t begin_record(struct consumers *consumers, size_t bytes)
{
    size_t place = consumers->used / UNIT;

    bytes = (bytes + UNIT - 1) / UNIT * UNIT;
    if (bytes > BUFFER_BYTES_MAX - consumers->used)
        return 0;
    if (consumers->used + bytes > consumers->room) {
        consumers->room = 2 * (consumers->used + bytes);
        consumers->bytes = mem_resize(consumers->bytes, consumers->room);
    }
    consumers->used += bytes;
    return (uint32_t)place;
}

static char *put_bytes(char *at, const void *bytes, size_t length)
{
    if (length > 0)
        memcpy(at, bytes, length);
    return at + length;
}

static char *put_length(char *at, size_t length)
{
    uint32_t number = (uint32_t)length;
    return put_bytes(at, &number, sizeof(number));
}

static char *put_text(char *at, struct slice text)
{
    return put_bytes(put_length(at, text.length), text.start, text.length);
}

static size_t list_bytes(const struct consumer *consumer, int list)
{
    size_t bytes = 0;
    for (size_t i = 0; i < consumer->list_counts[list]; i++)
        bytes += LENGTH_BYTES + consumer->lists[list][i].length;
    return bytes;
}

static char *put_list(char *at, const struct consumer *consumer, int list)
{
    at = put_length(at, list_bytes(consumer, list));
    for (size_t i = 0; i < consumer->list_counts[list]; i++)
        at = put_text(at, consumer->lists[list][i]);
    return at;
}

static size_t consumer_bytes(const struct consumer *consumer)
{
    size_t bytes = 2 * LENGTH_BYTES + consumer->name.length + consumer->plan.length;
    for (int i = 0; i < CONSUMER_LISTS; i++)
        bytes += LENGTH_BYTES + list_bytes(consumer, i);
    return bytes;
}

int consumers_add(struct consumers *consumers, const struct consumer *consumer)
{
    if (consumers->by_name.used == CONSUMERS_MAX ||
        consumers_by_name(consumers, consumer->name) != CONSUMERS_MISSING)
        return CONSUMERS_MISSING;
    uint32_t place = begin_record(consumers, consumer_bytes(consumer));
    if (place == 0)
        return CONSUMERS_MISSING;
    char *at = consumers->bytes + place * UNIT;
    at = put_text(at, consumer->name);
    at = put_text(at, consumer->plan);
    for (int i = 0; i < CONSUMER_LISTS; i++)
        at = put_list(at, consumer, i);
    consumer_index_add(&consumers->by_name, hash_of(consumers, consumer->name), place);
    return (int)place;
}

bool consumers_add_credential(struct consumers *consumers, const struct credential *credential)
{
    struct slice name = credential->name, secret = credential->secret;
    size_t expiry_bytes = credential->expires != 0 ? sizeof(credential->expires) : 0;
    struct credential_record record = {.consumer = (uint32_t)credential->consumer,
                                       .name_length = (uint32_t)name.length,
                                       .secret_length = (uint32_t)secret.length};
    struct credential other;

    assert(credential->consumer > 0);
    if (expiry_bytes > 0)
        record.secret_length |= EXPIRES;
    if (name.length == 0 || name.length >= EXPIRES || secret.length >= EXPIRES ||
        consumers->by_credential.used == CONSUMERS_MAX ||
        consumers_credential(consumers, name, -1, &other))
        return false;
    uint32_t place =
        begin_record(consumers, sizeof(record) + expiry_bytes + name.length + secret.length);
    if (place == 0)
        return false;
    char *at = put_bytes(consumers->bytes + place * UNIT, &record, sizeof(record));
    at = put_bytes(at, &credential->expires, expiry_bytes);
    put_bytes(put_bytes(at, name.start, name.length), secret.start, secret.length);
    consumer_index_add(&consumers->by_credential, hash_of(consumers, name), place);
    return true;
}

void consumers_pack(struct consumers *consumers)
{
    consumer_index_pack(&consumers->by_name);
    consumer_index_pack(&consumers->by_credential);
    if (consumers->bytes == NULL)
        return;
    char *packed = memcpy(mem_table(consumers->used), consumers->bytes, consumers->used);
    free(consumers->bytes);
    consumers->bytes = packed;
    consumers->room = consumers->used;
}

/* ---- reading ---- */

/* The text at `at`. */
static struct slice text_at(const char *at)
{
    uint32_t length;
    memcpy(&length, at, sizeof(length));
    return slice_of(at + LENGTH_BYTES, length);
}

/* The text behind so many others of a consumer. */
static struct slice text_behind(const struct consumers *consumers, int consumer, int count)
{
    struct slice text = text_at(record_at(consumers, (uint32_t)consumer));

    for (int i = 0; i < count; i++)
        text = text_at(text.start + text.length);
    return text;
}

struct slice consumers_name(const struct consumers *consumers, int consumer)
{
    return text_behind(consumers, consumer, 0);
}

struct slice consumers_plan(const struct consumers *consumers, int consumer)
{
    return text_behind(consumers, consumer, 1);
}

bool consumers_next(const struct consumers *consumers, int consumer, enum consumer_list list,
                    uint32_t *at, struct slice *text)
{
    struct slice texts = text_behind(consumers, consumer, 2 + (int)list);

    if (*at >= texts.length)
        return false;
    *text = text_at(texts.start + *at);
    *at += (uint32_t)(LENGTH_BYTES + text->length);
    return true;
}

int consumers_by_name(const struct consumers *consumers, struct slice name)
{
    uint32_t hash = hash_of(consumers, name), place;
    size_t at = hash;

    while ((place = consumer_index_next(&consumers->by_name, hash, &at)) != 0) {
        if (slice_equals(consumers_name(consumers, (int)place), name))
            return (int)place;
    }
    return CONSUMERS_MISSING;
}

static void read_credential(const char *at, struct credential *credential)
{
    struct credential_record record;

    memcpy(&record, at, sizeof(record));
    at += sizeof(record);
    *credential = (struct credential){.consumer = (int)record.consumer};
    if ((record.secret_length & EXPIRES) != 0) {
        memcpy(&credential->expires, at, sizeof(credential->expires));
        at += sizeof(credential->expires);
    }
    credential->name = slice_of(at, record.name_length);
    credential->secret = slice_of(at + record.name_length, record.secret_length & ~EXPIRES);
}

bool consumers_credential(const struct consumers *consumers, struct slice name, double now,
                          struct credential *credential)
{
    uint32_t hash = hash_of(consumers, name), place;
    size_t at = hash;

    while ((place = consumer_index_next(&consumers->by_credential, hash, &at)) != 0) {
        read_credential(record_at(consumers, place), credential);
        if (slice_equals_secret(credential->name, name))
            return credential->expires == 0 || credential->expires > now;
    }
    return false;
}

uint32_t consumers_count(const struct consumers *consumers)
{
    return (uint32_t)consumers->by_name.used;
}

/* ---- order ---- */

static int compare_names(struct slice one, struct slice other)
{
    size_t shorter = one.length < other.length ? one.length : other.length;
    int order = shorter > 0 ? memcmp(one.start, other.start, shorter) : 0;

    if (order != 0)
        return order;
    return one.length < other.length ? -1 : one.length > other.length;
}

static int compare_places(const void *one, const void *other, void *data)
{
    const struct consumers *consumers = data;

    return compare_names(text_at(record_at(consumers, *(const uint32_t *)one)),
                         text_at(record_at(consumers, *(const uint32_t *)other)));
}

void consumers_sort(struct consumers *consumers)
{
    const struct consumer_index *index = &consumers->by_name;
    size_t count = 0;

    free(consumers->sorted);
    consumers->sorted = mem_zeroed_array(index->used + 1, sizeof(*consumers->sorted));
    for (size_t i = 0; i < index->slot_count; i++) {
        if (index->slots[i].place != 0)
            consumers->sorted[count++] = index->slots[i].place;
    }
    qsort_r(consumers->sorted, count, sizeof(*consumers->sorted), compare_places, consumers);
}

int consumers_after(const struct consumers *consumers, struct slice name)
{
    size_t first = 0, end = consumers->sorted != NULL ? consumers->by_name.used : 0, all = end;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        if (compare_names(text_at(record_at(consumers, consumers->sorted[middle])), name) > 0)
            end = middle;
        else
            first = middle + 1;
    }
    return first < all ? (int)consumers->sorted[first] : CONSUMERS_MISSING;
}
