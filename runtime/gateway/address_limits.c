/*
 * address_limits — a hash table from address to count, open addressing with linear probing.
 */
#include "gateway/address_limits.h"

#include <assert.h>

#include "base/hash.h"
#include "base/mem.h"

#define SLOTS_MIN       64
#define V6_PREFIX_BYTES 8

struct key {
    unsigned char bytes[16]; /* v4: the address; v6: its /64; unix: zero */
};

struct slot {
    struct key key;
    unsigned count; /* 0: free */
};

struct address_limits {
    struct hash_key hash_key;
    struct slot *slots;
    size_t capacity, used; /* capacity is a power of two, at most half of it used */
};

struct address_limits *address_limits_create(void)
{
    struct address_limits *limits = mem_zeroed(sizeof(*limits));
    hash_key_init(&limits->hash_key);
    limits->capacity = SLOTS_MIN;
    limits->slots = mem_zeroed_array(limits->capacity, sizeof(struct slot));
    return limits;
}

void address_limits_destroy(struct address_limits **limits)
{
    free((*limits)->slots);
    free(*limits);
    *limits = NULL;
}

static struct key key_of(const struct address *address)
{
    struct key key = {{0}};

    if (address->length == 0)
        return key;
    if (address->any.sa_family == AF_INET) {
        key.bytes[15] = 4;
        memcpy(key.bytes, &address->v4.sin_addr, sizeof(address->v4.sin_addr));
    } else if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr)) {
        key.bytes[15] = 4;
        memcpy(key.bytes, &address->v6.sin6_addr.s6_addr[12], 4);
    } else if (address->any.sa_family == AF_INET6) {
        key.bytes[15] = 6;
        memcpy(key.bytes, &address->v6.sin6_addr, V6_PREFIX_BYTES);
    }
    return key;
}

static size_t home_of(const struct address_limits *limits, const struct key *key)
{
    struct slice bytes = slice_of((const char *)key->bytes, sizeof(key->bytes));
    return (size_t)hash_slice(&limits->hash_key, bytes) & (limits->capacity - 1);
}

/* The key's slot, or the free one where it would go. */
static struct slot *find(const struct address_limits *limits, const struct key *key)
{
    size_t at = home_of(limits, key);
    while (limits->slots[at].count > 0 && memcmp(&limits->slots[at].key, key, sizeof(*key)) != 0)
        at = (at + 1) & (limits->capacity - 1);
    return &limits->slots[at];
}

static void grow(struct address_limits *limits)
{
    struct slot *old = limits->slots;
    size_t old_capacity = limits->capacity;

    limits->capacity *= 2;
    limits->slots = mem_zeroed_array(limits->capacity, sizeof(struct slot));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].count > 0)
            *find(limits, &old[i].key) = old[i];
    }
    free(old);
}

bool address_limits_enter(struct address_limits *limits, const struct address *address,
                          unsigned connections_max)
{
    assert(connections_max > 0);
    if ((limits->used + 1) * 2 > limits->capacity)
        grow(limits);
    struct key key = key_of(address);
    struct slot *slot = find(limits, &key);
    if (slot->count >= connections_max)
        return false;
    if (slot->count++ == 0) {
        slot->key = key;
        limits->used++;
    }
    return true;
}

/* Moves later slots of the same run back, so that no probe ends too early at the hole. */
static void close_gap(struct address_limits *limits, size_t gap)
{
    size_t mask = limits->capacity - 1;

    for (size_t at = (gap + 1) & mask; limits->slots[at].count > 0; at = (at + 1) & mask) {
        size_t home = home_of(limits, &limits->slots[at].key);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            limits->slots[gap] = limits->slots[at];
            limits->slots[at].count = 0;
            gap = at;
        }
    }
}

void address_limits_leave(struct address_limits *limits, const struct address *address)
{
    struct key key = key_of(address);
    struct slot *slot = find(limits, &key);
    assert(slot->count > 0);

    if (--slot->count > 0)
        return;
    limits->used--;
    close_gap(limits, (size_t)(slot - limits->slots));
}
