/*
 * consumers — records in an array, and two open-addressed tables that lead to them.
 */
#include "bridge/consumers.h"

#include <assert.h>
#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"

/* Slots when a table is created; doubled when half are taken. */
#define INDEX_SLOTS_FIRST 64

struct index_slot {
    uint64_t hash;
    struct slice text; /* start NULL: free */
    int item;          /* place of the consumer, or of the credential */
};

struct consumer_index {
    struct index_slot *slots;
    size_t slot_count, used; /* slot_count: a power of two */
};

struct consumers {
    struct arena *arena;
    struct hash_key hash_key;
    struct consumer *items;
    struct credential *credentials;
    uint32_t count, capacity, credential_count, credential_capacity;
    struct consumer_index by_name, by_credential;
};

struct consumers *consumers_create(struct arena *arena)
{
    struct consumers *consumers = mem_zeroed(sizeof(*consumers));
    consumers->arena = arena;
    hash_key_init(&consumers->hash_key);
    return consumers;
}

void consumers_destroy(struct consumers **consumers)
{
    free((*consumers)->items);
    free((*consumers)->credentials);
    free((*consumers)->by_name.slots);
    free((*consumers)->by_credential.slots);
    free(*consumers);
    *consumers = NULL;
}

/* The slot that holds `text`, or the free one where it belongs. */
static struct index_slot *find_slot(const struct consumer_index *index, uint64_t hash,
                                    struct slice text)
{
    size_t at = hash & (index->slot_count - 1);
    for (;; at = (at + 1) & (index->slot_count - 1)) {
        struct index_slot *slot = &index->slots[at];
        if (slot->text.start == NULL)
            return slot;
        if (slot->hash == hash && slice_equals_secret(slot->text, text))
            return slot;
    }
}

static void index_grow(struct consumer_index *index)
{
    struct consumer_index old = *index;
    index->slot_count = old.slot_count == 0 ? INDEX_SLOTS_FIRST : old.slot_count * 2;
    index->slots = mem_zeroed_array(index->slot_count, sizeof(*index->slots));
    for (size_t i = 0; i < old.slot_count; i++) {
        if (old.slots[i].text.start != NULL)
            *find_slot(index, old.slots[i].hash, old.slots[i].text) = old.slots[i];
    }
    free(old.slots);
}

/* The copy of the text; NULL when it is there already. */
static const char *index_add(struct consumers *consumers, struct consumer_index *index,
                             struct slice text, int item)
{
    if ((index->used + 1) * 2 > index->slot_count)
        index_grow(index);
    uint64_t hash = hash_slice(&consumers->hash_key, text);
    struct index_slot *slot = find_slot(index, hash, text);
    if (slot->text.start != NULL)
        return NULL;
    *slot = (struct index_slot){hash, arena_copy(consumers->arena, text), item};
    assert(slot->text.start != NULL);
    index->used++;
    return slot->text.start;
}

static int index_find(const struct consumers *consumers, const struct consumer_index *index,
                      struct slice text)
{
    if (index->slot_count == 0)
        return CONSUMERS_MISSING;
    uint64_t hash = hash_slice(&consumers->hash_key, text);
    const struct index_slot *slot = find_slot(index, hash, text);
    return slot->text.start != NULL ? slot->item : CONSUMERS_MISSING;
}

static const struct slice *copy_texts(struct arena *arena, const struct slice *texts, size_t count)
{
    struct slice *copies = arena_zeroed(arena, count * sizeof(*copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = arena_copy(arena, texts[i]);
    return copies;
}

/* Twice the room, when there is none for one more. */
static void *grow(void *items, uint32_t count, uint32_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity == 0 ? 16 : *capacity * 2;
    return mem_resize(items, *capacity * bytes);
}

int consumers_add(struct consumers *consumers, const struct consumer *consumer)
{
    assert(consumers->count < CONSUMERS_MAX);
    int number = (int)consumers->count;
    const char *name = index_add(consumers, &consumers->by_name, consumer->name, number);
    if (name == NULL)
        return CONSUMERS_MISSING;
    consumers->items =
        grow(consumers->items, consumers->count, &consumers->capacity, sizeof(*consumers->items));
    struct consumer *copy = &consumers->items[consumers->count++];
    *copy = *consumer;
    copy->name.start = name;
    copy->plan = arena_copy(consumers->arena, consumer->plan);
    for (int i = 0; i < CONSUMER_LISTS; i++)
        copy->lists[i] = copy_texts(consumers->arena, consumer->lists[i], consumer->list_counts[i]);
    copy->tags = copy_texts(consumers->arena, consumer->tags, 2 * (size_t)consumer->tag_count);
    return number;
}

bool consumers_add_credential(struct consumers *consumers, const struct credential *credential)
{
    assert(credential->consumer >= 0 && (uint32_t)credential->consumer < consumers->count);
    assert(consumers->credential_count < CONSUMERS_MAX);
    int number = (int)consumers->credential_count;
    const char *name =
        credential->name.length == 0
            ? NULL
            : index_add(consumers, &consumers->by_credential, credential->name, number);
    if (name == NULL)
        return false;
    consumers->credentials = grow(consumers->credentials, consumers->credential_count,
                                  &consumers->credential_capacity, sizeof(*credential));
    struct credential *copy = &consumers->credentials[consumers->credential_count++];
    *copy = *credential;
    copy->name.start = name;
    copy->secret = arena_copy(consumers->arena, credential->secret);
    return true;
}

const struct credential *consumers_credential(const struct consumers *consumers, struct slice name,
                                              double now)
{
    int number = index_find(consumers, &consumers->by_credential, name);
    if (number == CONSUMERS_MISSING)
        return NULL;
    const struct credential *found = &consumers->credentials[number];
    return found->expires == 0 || found->expires > now ? found : NULL;
}

int consumers_by_name(const struct consumers *consumers, struct slice name)
{
    return index_find(consumers, &consumers->by_name, name);
}

const struct consumer *consumers_at(const struct consumers *consumers, int index)
{
    if (index < 0 || (uint32_t)index >= consumers->count)
        return NULL;
    return &consumers->items[index];
}

uint32_t consumers_count(const struct consumers *consumers)
{
    return consumers->count;
}
