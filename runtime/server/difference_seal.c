/*
 * difference_seal — a difference on its way to another process: how many there are of each kind and
 * change, then a line for each of those that are named, as inventories have them, with the change
 * in the fingerprint's place.
 */
#include "server/difference_private.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/mem.h"

/* Of all lines: each has two texts of an inventory. */
#define SEALED_BYTES_MAX                                                      \
    ((size_t)INVENTORY_KIND_COUNT * DIFFERENCE_COUNT * DIFFERENCE_NAMED_MAX * \
     (2 * INVENTORY_TEXT_BYTES_MAX + 8))

struct counts {
    size_t of[INVENTORY_KIND_COUNT][DIFFERENCE_COUNT];
};

static void put_item(struct buffer *into, const struct difference_item *item, char change)
{
    char kind[] = {(char)('0' + item->kind), '\t'}, middle[] = {'\t', change, '\t'};

    buffer_append(into, slice_of(kind, sizeof(kind)));
    buffer_append(into, item->name);
    buffer_append(into, slice_of(middle, sizeof(middle)));
    buffer_append(into, item->at);
    buffer_append(into, SLICE("\n"));
}

static void put_all(const struct difference *difference, struct buffer *into)
{
    struct counts counts;

    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++) {
        for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
            counts.of[kind][change] = difference->lists[kind][change].count;
    }
    buffer_append(into, slice_of((const char *)&counts, sizeof(counts)));
    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++) {
        for (size_t change = 0; change < DIFFERENCE_COUNT; change++) {
            const struct difference_list *list = &difference->lists[kind][change];
            for (size_t i = 0; i < list->kept; i++)
                put_item(into, &list->items[i], (char)('0' + change));
        }
    }
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.length > 0) {
        ssize_t written = write(fd, bytes.start, bytes.length);
        if (written < 0 && errno != EINTR)
            return false;
        bytes = slice_after(bytes, written > 0 ? (size_t)written : 0);
    }
    return true;
}

int difference_seal(const struct difference *difference)
{
    int fd = memfd_create("moongate difference", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct buffer text;

    if (fd < 0)
        return -1;
    buffer_init(&text, sizeof(struct counts) + SEALED_BYTES_MAX, NULL);
    put_all(difference, &text);
    fd = descriptor_sealed(fd, write_all(fd, buffer_slice(&text)));
    int problem = errno;
    buffer_clear(&text);
    errno = problem;
    return fd;
}

/* Those that are named; then how many there are of all. */
static void read_all(struct difference *difference, const struct counts *counts, struct slice lines)
{
    struct difference_item item;

    while (difference_take_item(&lines, &item)) {
        unsigned change = item.fingerprint.length == 1 ? (unsigned)(item.fingerprint.start[0] - '0')
                                                       : DIFFERENCE_EDITED;
        difference_note(
            difference,
            change < DIFFERENCE_COUNT ? (enum difference_change)change : DIFFERENCE_EDITED, &item);
    }
    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++) {
        for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
            difference->lists[kind][change].count = counts->of[kind][change];
    }
}

struct difference *difference_open(int fd)
{
    struct difference *difference = mem_zeroed(sizeof(*difference));
    struct difference_text *text = &difference->to;
    struct counts counts;

    if (!difference_map(fd, text) || text->bytes < sizeof(counts)) {
        difference_destroy(&difference);
        return NULL;
    }
    memcpy(&counts, text->memory, sizeof(counts));
    read_all(difference, &counts,
             slice_of(text->memory + sizeof(counts), text->bytes - sizeof(counts)));
    return difference;
}
