/*
 * accept_list — a field of preferences in a normal form: Accept and its like (RFC 9110, 12.5).
 */
#pragma once

#include "base/arena.h"

/* More elements are left as they are, but for blanks. */
#define ACCEPT_LIST_MAX 32

struct accept_element {
    struct slice text; /* in lower case up to its parameters, without blanks and without weight */
    int weight;        /* thousandths */
};

struct accept_list {
    struct accept_element items[ACCEPT_LIST_MAX]; /* heaviest first, the same weight by its bytes */
    unsigned count;
};

/* False: too many, quotes, an empty element, or a weight that is none; then no order is safe. */
bool accept_list_read(struct slice value, struct arena *arena, struct accept_list *list);
/* "de,en,fr;q=0.5": the same for all that mean the same. */
struct slice accept_list_text(const struct accept_list *list, struct arena *arena);
/* The one that weighs more than all others, and is no "*"; start NULL: none. */
struct slice accept_list_first(const struct accept_list *list);
