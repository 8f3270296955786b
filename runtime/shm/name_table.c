/*
 * name_table — an open hash table of offsets into a pool of entries.
 */
#include "shm/name_table.h"

#include <assert.h>

#define UNIT 8 /* entries are aligned to it, and their offsets count in it */

struct entry {
    uint64_t hash;
    uint32_t number, kind;
    uint32_t name_length, labels_length;
    char text[];
};

struct name_table_shared {
    uint32_t names, unused;
    uint64_t places; /* of the table below; a power of two, at least twice the names */
    uint64_t pool_units;
    uint64_t taken; /* names taken << 32 | units taken */
    uint64_t refused;
    uint64_t table[]; /* upper half of the hash << 32 | offset; 0: free. The pool follows. */
};

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static uint64_t places_for(uint32_t names)
{
    uint64_t places = 16;
    while (places < (uint64_t)names * 2)
        places *= 2;
    return places;
}

/* The first unit stays unused, so that no offset is 0. */
static uint64_t pool_units_for(const struct name_table_limits *limits)
{
    uint64_t per_entry = sizeof(struct entry) / UNIT + 1;
    return 1 + limits->names * per_entry + limits->text_bytes / UNIT;
}

size_t name_table_bytes(const struct name_table_limits *limits)
{
    assert(limits->names > 1 && pool_units_for(limits) <= UINT32_MAX);
    return sizeof(struct name_table_shared) +
           (places_for(limits->names) + pool_units_for(limits)) * sizeof(uint64_t);
}

bool name_table_init(struct name_table *table, void *memory, const struct name_table_limits *limits,
                     const struct hash_key *hash_key)
{
    struct name_table_shared *shared = memory;
    table->shared = shared;
    table->hash_key = hash_key;
    if (load(&shared->taken) == 0) {
        shared->names = limits->names;
        shared->places = places_for(limits->names);
        shared->pool_units = pool_units_for(limits);
        __atomic_store_n(&shared->taken, 1ULL << 32 | 1, __ATOMIC_RELEASE);
    }
    return shared->names == limits->names && shared->places == places_for(limits->names) &&
           shared->pool_units == pool_units_for(limits);
}

static struct entry *entry_at(const struct name_table_shared *shared, uint64_t word)
{
    uint64_t *pool = (uint64_t *)&shared->table[shared->places];
    return (struct entry *)(void *)&pool[word & UINT32_MAX];
}

static struct slice name_of(const struct entry *entry)
{
    return slice_of(entry->text, entry->name_length);
}

static struct slice labels_of(const struct entry *entry)
{
    return slice_of(entry->text + entry->name_length, entry->labels_length);
}

struct wanted {
    uint64_t hash;
    uint32_t kind;
    struct slice name, labels;
};

static bool is_wanted(const struct entry *entry, const struct wanted *wanted)
{
    return entry->hash == wanted->hash && entry->kind == wanted->kind &&
           slice_equals(name_of(entry), wanted->name) &&
           slice_equals(labels_of(entry), wanted->labels);
}

/* The place of the wanted entry, or the free one where it would be, with what stands there. */
static uint64_t *find(struct name_table_shared *shared, const struct wanted *wanted, uint64_t *word)
{
    for (uint64_t i = 0;; i++) {
        assert(i < shared->places); /* half of them stay free */
        uint64_t *place = &shared->table[(wanted->hash + i) & (shared->places - 1)];
        *word = load(place);
        if (*word == 0 ||
            (*word >> 32 == wanted->hash >> 32 && is_wanted(entry_at(shared, *word), wanted)))
            return place;
    }
}

/* Takes a number and room in one step; 0 when either has run out, else what was taken before. */
static uint64_t take(struct name_table_shared *shared, uint64_t units)
{
    uint64_t taken = load(&shared->taken);
    do {
        if (taken >> 32 >= shared->names || (taken & UINT32_MAX) + units > shared->pool_units)
            return 0;
    } while (!__atomic_compare_exchange_n(&shared->taken, &taken, taken + (1ULL << 32 | units),
                                          false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    return taken;
}

static void write_entry(struct entry *entry, uint32_t number, const struct wanted *wanted)
{
    entry->hash = wanted->hash;
    entry->number = number;
    entry->kind = wanted->kind;
    entry->name_length = (uint32_t)wanted->name.length;
    entry->labels_length = (uint32_t)wanted->labels.length;
    memcpy(entry->text, wanted->name.start, wanted->name.length);
    if (wanted->labels.length > 0)
        memcpy(entry->text + wanted->name.length, wanted->labels.start, wanted->labels.length);
}

static uint32_t insert(struct name_table_shared *shared, const struct wanted *wanted)
{
    uint64_t bytes = sizeof(struct entry) + wanted->name.length + wanted->labels.length;
    uint64_t units = (bytes + UNIT - 1) / UNIT;
    uint64_t taken = take(shared, units);
    if (taken == 0)
        return NAME_NONE;
    uint64_t mine = (wanted->hash >> 32) << 32 | (taken & UINT32_MAX);
    write_entry(entry_at(shared, mine), (uint32_t)(taken >> 32), wanted);

    for (;;) { /* each round another process filled the place: at most `places` */
        uint64_t word;
        uint64_t *place = find(shared, wanted, &word);
        if (word != 0)
            return entry_at(shared, word)->number;
        if (__atomic_compare_exchange_n(place, &word, mine, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_ACQUIRE))
            return (uint32_t)(taken >> 32);
    }
}

static bool fits(struct slice name, struct slice labels)
{
    return name.length > 0 && name.length <= NAME_TEXT_BYTES_MAX &&
           labels.length <= NAME_TEXT_BYTES_MAX - name.length;
}

uint32_t name_table_find(const struct name_table *table, uint32_t kind, struct slice name,
                         struct slice labels)
{
    struct wanted wanted = {hash_pair(table->hash_key, name, labels), kind, name, labels};
    uint64_t word = 0;

    if (fits(name, labels))
        find(table->shared, &wanted, &word);
    return word != 0 ? entry_at(table->shared, word)->number : NAME_NONE;
}

uint32_t name_table_intern(const struct name_table *table, uint32_t kind, struct slice name,
                           struct slice labels)
{
    struct name_table_shared *shared = table->shared;
    uint32_t number = NAME_NONE;

    if (fits(name, labels)) {
        struct wanted wanted = {hash_pair(table->hash_key, name, labels), kind, name, labels};
        uint64_t word;
        find(shared, &wanted, &word);
        number = word != 0 ? entry_at(shared, word)->number : insert(shared, &wanted);
    }
    if (number == NAME_NONE)
        __atomic_fetch_add(&shared->refused, 1, __ATOMIC_RELAXED);
    return number;
}

bool name_table_next(const struct name_table *table, size_t *cursor, struct name_view *view)
{
    const struct name_table_shared *shared = table->shared;
    while (*cursor < shared->places) {
        uint64_t word = load(&shared->table[(*cursor)++]);
        if (word == 0)
            continue;
        const struct entry *entry = entry_at(shared, word);
        *view = (struct name_view){name_of(entry), labels_of(entry), entry->kind, entry->number};
        return true;
    }
    return false;
}

uint32_t name_table_count(const struct name_table *table)
{
    return (uint32_t)(load(&table->shared->taken) >> 32) - 1;
}

uint64_t name_table_refused(const struct name_table *table)
{
    return load(&table->shared->refused);
}
