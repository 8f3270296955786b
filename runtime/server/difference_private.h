/*
 * difference_private — what it is made of: for the files that implement it.
 */
#pragma once

#include "server/difference.h"

/* One of an inventory, pointing into it. */
struct difference_item {
    enum inventory_kind kind;
    struct slice name, fingerprint, at;
};

struct difference_list {
    size_t count; /* of all */
    size_t kept, capacity;
    struct difference_item *items;
};

/* A file that is mapped; NULL: none, or an empty one. */
struct difference_text {
    char *memory;
    size_t bytes;
};

struct difference {
    struct difference_text from, to; /* what the items point into */
    struct difference_list lists[INVENTORY_KIND_COUNT][DIFFERENCE_COUNT];
};

/* False when it is not sealed: the process that made it had plugins in it. */
bool difference_map(int fd, struct difference_text *mapped);
/* From a line as inventories have it, which is taken from the lines; false at their end. */
bool difference_take_item(struct slice *lines, struct difference_item *item);
/* Counts it, and keeps it where there is room. */
void difference_note(struct difference *difference, enum difference_change change,
                     const struct difference_item *item);
