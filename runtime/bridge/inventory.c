/*
 * inventory — lines, sorted when they are sealed.
 */
#include "bridge/inventory.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/descriptor.h"
#include "base/hash.h"
#include "base/mem.h"
#include "bridge/bundle.h"

#define FINGERPRINT_HEX 16

struct inventory {
    struct arena arena;
    struct slice *lines; /* without line feeds */
    size_t count, capacity, bytes;
};

struct inventory *inventory_create(void)
{
    struct inventory *inventory = mem_zeroed(sizeof(*inventory));
    arena_init(&inventory->arena);
    return inventory;
}

void inventory_destroy(struct inventory **inventory)
{
    arena_clear(&(*inventory)->arena);
    free((*inventory)->lines);
    free(*inventory);
    *inventory = NULL;
}

/* The same for the same content, everywhere; not a defence against somebody who wants two to be. */
static void put_fingerprint(char hex[FINGERPRINT_HEX], struct slice content)
{
    static const char DIGITS[] = "0123456789abcdef";
    static const struct hash_key KEY = {0x6d6f6f6e67617465, 0x696e76656e746f72};
    uint64_t hash = hash_slice(&KEY, content);

    for (size_t i = 0; i < FINGERPRINT_HEX; i++) {
        hex[i] = DIGITS[hash >> 60];
        hash <<= 4;
    }
}

/* As one field of a line. */
static char *put(char *to, struct slice text)
{
    size_t length = text.length < INVENTORY_TEXT_BYTES_MAX ? text.length : INVENTORY_TEXT_BYTES_MAX;

    for (size_t i = 0; i < length; i++)
        to[i] = (unsigned char)text.start[i] < ' ' ? '?' : text.start[i];
    return to + length;
}

void inventory_add(struct inventory *inventory, enum inventory_kind kind, struct slice name,
                   struct slice content, struct slice at)
{
    char line[2 * INVENTORY_TEXT_BYTES_MAX + FINGERPRINT_HEX + 4];
    char *end = line;

    assert(kind < INVENTORY_KIND_COUNT);
    if (inventory->count == INVENTORY_ENTRIES_MAX)
        return;
    if (inventory->count == inventory->capacity) {
        inventory->capacity = inventory->capacity > 0 ? 2 * inventory->capacity : 256;
        inventory->lines =
            mem_resize(inventory->lines, inventory->capacity * sizeof(*inventory->lines));
    }
    *end++ = (char)('0' + kind);
    *end++ = '\t';
    end = put(end, name);
    *end++ = '\t';
    put_fingerprint(end, content);
    end += FINGERPRINT_HEX;
    *end++ = '\t';
    end = put(end, at);
    inventory->lines[inventory->count] =
        arena_copy(&inventory->arena, slice_of(line, (size_t)(end - line)));
    inventory->bytes += inventory->lines[inventory->count++].length + 1;
}

void inventory_add_files(struct inventory *inventory, const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle_count(bundle); i++) {
        const struct bundle_entry *entry = bundle_at(bundle, i);
        if (entry->kind == BUNDLE_FILE && entry->error == 0)
            inventory_add(inventory, INVENTORY_FILE, entry->path, entry->content, SLICE(""));
    }
}

static int compare(const void *left, const void *right)
{
    const struct slice *one = left, *other = right;
    size_t shorter = one->length < other->length ? one->length : other->length;
    int order = memcmp(one->start, other->start, shorter);

    return order != 0 ? order : (one->length > other->length) - (one->length < other->length);
}

static void write_lines(const struct inventory *inventory, char *memory)
{
    for (size_t i = 0; i < inventory->count; i++) {
        memcpy(memory, inventory->lines[i].start, inventory->lines[i].length);
        memory += inventory->lines[i].length;
        *memory++ = '\n';
    }
}

static bool write_all(int fd, struct inventory *inventory)
{
    if (inventory->count == 0)
        return true;
    if (ftruncate(fd, (off_t)inventory->bytes) != 0)
        return false;
    char *memory = mmap(NULL, inventory->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED)
        return false;
    qsort(inventory->lines, inventory->count, sizeof(*inventory->lines), compare);
    write_lines(inventory, memory);
    munmap(memory, inventory->bytes);
    return true;
}

int inventory_seal(struct inventory *inventory)
{
    int fd = memfd_create("moongate inventory", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    return descriptor_sealed(fd, fd >= 0 && write_all(fd, inventory));
}
