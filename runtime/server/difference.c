/*
 * difference — what is in one inventory alone, brought together by names.
 */
#include "server/difference_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/descriptor.h"
#include "base/mem.h"

#define PRINTED_MAX 40
#define LINE_BYTES  (2 * INVENTORY_TEXT_BYTES_MAX + 16)

static const char *const KIND_NAMES[INVENTORY_KIND_COUNT] = {
    [INVENTORY_ROUTE] = "routes",       [INVENTORY_PLUGIN] = "plugins",
    [INVENTORY_UPSTREAM] = "upstreams", [INVENTORY_LISTENER] = "listeners",
    [INVENTORY_CONSUMER] = "consumers", [INVENTORY_SETTING] = "settings",
    [INVENTORY_FILE] = "files",
};
static const char *const CHANGE_NAMES[DIFFERENCE_COUNT] = {"added", "edited", "removed"};
static const char SIGNS[DIFFERENCE_COUNT] = {'+', '~', '-'};

bool difference_map(int fd, struct difference_text *mapped)
{
    struct stat status;

    *mapped = (struct difference_text){0};
    if (fd < 0 || !descriptor_is_sealed(fd) || fstat(fd, &status) != 0)
        return false;
    mapped->bytes = (size_t)status.st_size;
    if (mapped->bytes == 0)
        return true;
    mapped->memory = mmap(NULL, mapped->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (mapped->memory == MAP_FAILED)
        mapped->memory = NULL;
    return mapped->memory != NULL;
}

static void unmap(const struct difference_text *mapped)
{
    if (mapped->memory != NULL)
        munmap(mapped->memory, mapped->bytes);
}

/* ---- reading ---- */

static struct slice take_field(struct slice *rest, char end)
{
    struct slice field = slice_of(rest->start, slice_find(*rest, end));

    *rest = slice_after(*rest, field.length < rest->length ? field.length + 1 : field.length);
    return field;
}

bool difference_take_item(struct slice *lines, struct difference_item *item)
{
    if (lines->length == 0)
        return false;
    struct slice line = take_field(lines, '\n');
    struct slice kind = take_field(&line, '\t');
    unsigned number = kind.length == 1 ? (unsigned)(kind.start[0] - '0') : INVENTORY_FILE;
    item->kind = number < INVENTORY_KIND_COUNT ? (enum inventory_kind)number : INVENTORY_FILE;
    item->name = take_field(&line, '\t');
    item->fingerprint = take_field(&line, '\t');
    item->at = line;
    return true;
}

/* A stretch of lines, walked from its start. */
struct walk {
    struct slice rest;
    struct difference_item item;
    bool has_item;
};

static void step(struct walk *walk)
{
    walk->has_item = difference_take_item(&walk->rest, &walk->item);
}

static int compare_text(struct slice one, struct slice other)
{
    size_t shorter = one.length < other.length ? one.length : other.length;
    int order = memcmp(one.start, other.start, shorter);

    return order != 0 ? order : (one.length > other.length) - (one.length < other.length);
}

static int compare_names(const struct difference_item *one, const struct difference_item *other)
{
    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1;
    return compare_text(one->name, other->name);
}

/* ---- comparing ---- */

void difference_note(struct difference *difference, enum difference_change change,
                     const struct difference_item *item)
{
    struct difference_list *list = &difference->lists[item->kind][change];

    list->count++;
    if (list->kept == DIFFERENCE_NAMED_MAX)
        return;
    if (list->kept == list->capacity) {
        list->capacity = list->capacity > 0 ? 2 * list->capacity : 16;
        list->items = mem_resize(list->items, list->capacity * sizeof(*list->items));
    }
    list->items[list->kept++] = *item;
}

/* Whatever is in one inventory alone, of one name. */
struct leftover {
    struct difference_item *items;
    size_t count, capacity;
};

static void leave(struct leftover *leftover, const struct difference_item *item)
{
    if (leftover->count == leftover->capacity) {
        leftover->capacity = leftover->capacity > 0 ? 2 * leftover->capacity : 16;
        leftover->items =
            mem_resize(leftover->items, leftover->capacity * sizeof(*leftover->items));
    }
    leftover->items[leftover->count++] = *item;
}

/* What is gone and has come under the same name is edited. */
static void settle(struct difference *difference, struct leftover *gone, struct leftover *come)
{
    size_t edited = gone->count < come->count ? gone->count : come->count;

    for (size_t i = 0; i < come->count; i++)
        difference_note(difference, i < edited ? DIFFERENCE_EDITED : DIFFERENCE_ADDED,
                        &come->items[i]);
    for (size_t i = edited; i < gone->count; i++)
        difference_note(difference, DIFFERENCE_REMOVED, &gone->items[i]);
    gone->count = come->count = 0;
}

/* How the next of the two stand to each other; who has come to its end is behind all others. */
static int compare_walks(const struct walk *from, const struct walk *to)
{
    if (!from->has_item || !to->has_item)
        return from->has_item ? -1 : 1;
    int order = compare_names(&from->item, &to->item);
    return order != 0 ? order : compare_text(from->item.fingerprint, to->item.fingerprint);
}

/* Both in the order of names, so no more is held than there is of one name. */
static void compare(struct difference *difference)
{
    struct walk from = {.rest = {difference->from.memory, difference->from.bytes}};
    struct walk to = {.rest = {difference->to.memory, difference->to.bytes}};
    struct leftover gone = {0}, come = {0};

    step(&from);
    step(&to);
    struct difference_item last = from.has_item ? from.item : to.item;
    while (from.has_item || to.has_item) {
        int order = compare_walks(&from, &to);
        const struct difference_item *next = order <= 0 ? &from.item : &to.item;
        if (compare_names(next, &last) != 0)
            settle(difference, &gone, &come);
        last = *next;
        if (order < 0)
            leave(&gone, &from.item);
        if (order > 0)
            leave(&come, &to.item);
        if (order <= 0)
            step(&from);
        if (order >= 0)
            step(&to);
    }
    settle(difference, &gone, &come);
    free(gone.items);
    free(come.items);
}

struct difference *difference_create(int from_fd, int to_fd)
{
    struct difference *difference = mem_zeroed(sizeof(*difference));

    if (!difference_map(from_fd, &difference->from) || !difference_map(to_fd, &difference->to)) {
        difference_destroy(&difference);
        return NULL;
    }
    compare(difference);
    return difference;
}

void difference_destroy(struct difference **pointer)
{
    struct difference *difference = *pointer;

    *pointer = NULL;
    unmap(&difference->from);
    unmap(&difference->to);
    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++) {
        for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
            free(difference->lists[kind][change].items);
    }
    free(difference);
}

static size_t count_of(const struct difference *difference, size_t kind)
{
    size_t count = 0;

    for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
        count += difference->lists[kind][change].count;
    return count;
}

bool difference_is_empty(const struct difference *difference)
{
    size_t count = 0;

    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++)
        count += count_of(difference, kind);
    return count == 0;
}

/* ---- showing ---- */

static void print_line(struct buffer *into, const char *line, int length)
{
    buffer_append(into,
                  slice_of(line, length < LINE_BYTES ? (size_t)length : (size_t)LINE_BYTES - 1));
}

static void print_counts(const struct difference *difference, size_t kind, struct buffer *into)
{
    char line[LINE_BYTES];
    const char *before = "";

    print_line(into, line, snprintf(line, sizeof(line), "%-10s ", KIND_NAMES[kind]));
    for (size_t change = 0; change < DIFFERENCE_COUNT; change++) {
        size_t count = difference->lists[kind][change].count;
        if (count == 0)
            continue;
        print_line(into, line,
                   snprintf(line, sizeof(line), "%s%zu %s", before, count, CHANGE_NAMES[change]));
        before = ", ";
    }
    buffer_append(into, SLICE("\n"));
}

static void print_items(const struct difference_list *list, char sign, struct buffer *into)
{
    char line[LINE_BYTES];

    for (size_t i = 0; i < list->kept && i < PRINTED_MAX; i++) {
        const struct difference_item *item = &list->items[i];
        print_line(into, line,
                   snprintf(line, sizeof(line), "  %c %.*s%s%.*s\n", sign, SLICE_FORMAT(item->name),
                            item->at.length > 0 ? "  " : "", SLICE_FORMAT(item->at)));
    }
    if (list->count > PRINTED_MAX)
        print_line(
            into, line,
            snprintf(line, sizeof(line), "  %c and %zu more\n", sign, list->count - PRINTED_MAX));
}

void difference_print(const struct difference *difference, struct buffer *into)
{
    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++) {
        if (count_of(difference, kind) == 0)
            continue;
        print_counts(difference, kind, into);
        for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
            print_items(&difference->lists[kind][change], SIGNS[change], into);
    }
}

static void write_list(struct json_writer *writer, const char *key,
                       const struct difference_list *list, size_t named_max)
{
    json_writer_open_array(writer, key);
    for (size_t i = 0; i < list->kept && i < named_max; i++) {
        json_writer_open_object(writer, NULL);
        json_writer_put_text(writer, "name", list->items[i].name);
        if (list->items[i].at.length > 0)
            json_writer_put_text(writer, "at", list->items[i].at);
        json_writer_close_object(writer);
    }
    json_writer_close_array(writer);
}

static void write_counts(struct json_writer *writer,
                         const struct difference_list lists[DIFFERENCE_COUNT])
{
    json_writer_open_object(writer, "count");
    for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
        json_writer_put_number(writer, CHANGE_NAMES[change], (double)lists[change].count);
    json_writer_close_object(writer);
}

void difference_write(const struct difference *difference, struct json_writer *writer,
                      size_t named_max)
{
    for (size_t kind = 0; kind < INVENTORY_KIND_COUNT; kind++) {
        const struct difference_list *lists = difference->lists[kind];
        json_writer_open_object(writer, KIND_NAMES[kind]);
        for (size_t change = 0; change < DIFFERENCE_COUNT; change++)
            write_list(writer, CHANGE_NAMES[change], &lists[change], named_max);
        write_counts(writer, lists);
        json_writer_close_object(writer);
    }
}
