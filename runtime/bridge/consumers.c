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
    int consumer;
};

struct consumer_index {
    struct index_slot *slots;
    size_t slot_count, used; /* slot_count: a power of two */
};

struct consumers {
    struct arena *arena;
    struct hash_key hash_key;
    struct consumer *items;
    uint32_t count, capacity;
    struct consumer_index keys, names;
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
    free((*consumers)->keys.slots);
    free((*consumers)->names.slots);
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

/* False when it is there already. */
static bool index_add(struct consumers *consumers, struct consumer_index *index, struct slice text,
                      int consumer)
{
    if ((index->used + 1) * 2 > index->slot_count)
        index_grow(index);
    uint64_t hash = hash_slice(&consumers->hash_key, text);
    struct index_slot *slot = find_slot(index, hash, text);
    if (slot->text.start != NULL)
        return false;
    *slot = (struct index_slot){hash, arena_copy(consumers->arena, text), consumer};
    assert(slot->text.start != NULL);
    index->used++;
    return true;
}

static int index_find(const struct consumers *consumers, const struct consumer_index *index,
                      struct slice text)
{
    if (index->slot_count == 0)
        return CONSUMERS_MISSING;
    uint64_t hash = hash_slice(&consumers->hash_key, text);
    const struct index_slot *slot = find_slot(index, hash, text);
    return slot->text.start != NULL ? slot->consumer : CONSUMERS_MISSING;
}

static const struct slice *copy_texts(struct arena *arena, const struct slice *texts, size_t count)
{
    struct slice *copies = arena_zeroed(arena, count * sizeof(*copies));
    for (size_t i = 0; i < count; i++)
        copies[i] = arena_copy(arena, texts[i]);
    return copies;
}

int consumers_add(struct consumers *consumers, const struct consumer *consumer)
{
    assert(consumers->count < CONSUMERS_MAX);
    int number = (int)consumers->count;
    if (!index_add(consumers, &consumers->names, consumer->name, number))
        return CONSUMERS_MISSING;
    if (consumers->count == consumers->capacity) {
        consumers->capacity = consumers->capacity == 0 ? 16 : consumers->capacity * 2;
        consumers->items =
            mem_resize(consumers->items, consumers->capacity * sizeof(*consumers->items));
    }
    struct consumer *copy = &consumers->items[consumers->count++];
    *copy = *consumer;
    copy->name = arena_copy(consumers->arena, consumer->name);
    copy->groups = copy_texts(consumers->arena, consumer->groups, consumer->group_count);
    copy->tags = copy_texts(consumers->arena, consumer->tags, 2 * (size_t)consumer->tag_count);
    return number;
}

bool consumers_add_key(struct consumers *consumers, int consumer, struct slice key)
{
    assert(consumer >= 0 && (uint32_t)consumer < consumers->count);
    return key.length > 0 && index_add(consumers, &consumers->keys, key, consumer);
}

int consumers_by_key(const struct consumers *consumers, struct slice key)
{
    return index_find(consumers, &consumers->keys, key);
}

int consumers_by_name(const struct consumers *consumers, struct slice name)
{
    return index_find(consumers, &consumers->names, name);
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
