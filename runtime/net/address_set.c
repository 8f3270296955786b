/*
 * address_set — blocks as ranges that do not overlap, in ascending order.
 */
#include "net/address_set.h"

#include <stdlib.h>
#include <string.h>

/* The family, then the host in network order: these compare as numbers do, v4 before v6. */
#define KEY_BYTES 17

struct range {
    unsigned char first[KEY_BYTES], last[KEY_BYTES];
};

struct address_set {
    size_t count;
    struct range ranges[];
};

static void write_key(const struct address_block *block, unsigned char key[KEY_BYTES])
{
    key[0] = block->family == AF_INET ? 4 : 6;
    memcpy(key + 1, block->bytes, KEY_BYTES - 1);
}

static struct range range_of(const struct address_block *block)
{
    struct range range;

    write_key(block, range.first);
    write_key(block, range.last);
    for (unsigned bit = block->bits; bit < (KEY_BYTES - 1) * 8; bit++)
        range.last[1 + bit / 8] |= (unsigned char)(0x80 >> bit % 8);
    return range;
}

/* Of two that begin alike the larger comes first. */
static int compare(const void *one, const void *other)
{
    const struct range *left = one, *right = other;
    int difference = memcmp(left->first, right->first, KEY_BYTES);
    return difference != 0 ? difference : memcmp(right->last, left->last, KEY_BYTES);
}

/* Ranges are blocks at first: two of them have nothing in common, or one has the other. */
static void drop_inner(struct address_set *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->count; i++) {
        if (kept == 0 || memcmp(set->ranges[i].first, set->ranges[kept - 1].last, KEY_BYTES) > 0)
            set->ranges[kept++] = set->ranges[i];
    }
    set->count = kept;
}

static size_t count_of(struct slice list)
{
    size_t count = 0;
    struct slice element;
    while (slice_next_element(&list, &element))
        count++;
    return count;
}

struct address_set *address_set_create(struct slice list, struct arena *arena, struct slice *wrong)
{
    size_t count = count_of(list);
    struct slice element;

    if (count > ADDRESS_SET_BLOCKS_MAX)
        count = ADDRESS_SET_BLOCKS_MAX;
    struct address_set *set = arena_alloc(arena, sizeof(*set) + count * sizeof(set->ranges[0]));
    set->count = 0;
    while (slice_next_element(&list, &element)) {
        struct address_block block;
        if (set->count == count || !address_block_parse(element, &block)) {
            *wrong = element;
            return NULL;
        }
        set->ranges[set->count++] = range_of(&block);
    }
    qsort(set->ranges, set->count, sizeof(set->ranges[0]), compare);
    drop_inner(set);
    return set;
}

bool address_set_has(const struct address_set *set, const struct address *address)
{
    struct address_block block;
    unsigned char key[KEY_BYTES];
    size_t from = 0, until = set->count;

    if (!address_block_of(address, &block))
        return false;
    write_key(&block, key);
    while (from < until) {
        size_t middle = from + (until - from) / 2;
        if (memcmp(set->ranges[middle].last, key, KEY_BYTES) < 0)
            from = middle + 1;
        else
            until = middle;
    }
    return from < set->count && memcmp(set->ranges[from].first, key, KEY_BYTES) <= 0;
}
