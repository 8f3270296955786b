/*
 * inventory — what a configuration has (routes, plugins, upstreams, …), each by its name with a
 * fingerprint of all that it says: enough to tell what differs in another one.
 *
 * Filled while a generation is built, then sealed into a descriptor: lines in the order of kinds
 * and names, "KIND<tab>NAME<tab>FINGERPRINT<tab>WHERE".
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Entries beyond are left out, and differences of theirs are not seen. */
#define INVENTORY_ENTRIES_MAX 2000000
/* Of a name, and of where it was written; the rest is cut off. */
#define INVENTORY_TEXT_BYTES_MAX 512

/* In the order in which they are shown. Each stands in a line as '0' plus its number. */
enum inventory_kind {
    INVENTORY_ROUTE,
    INVENTORY_PLUGIN,
    INVENTORY_UPSTREAM,
    INVENTORY_LISTENER,
    INVENTORY_CONSUMER,
    INVENTORY_SETTING,
    INVENTORY_FILE,
    INVENTORY_KIND_COUNT
};

struct bundle;
struct inventory;

struct inventory *inventory_create(void);
void inventory_destroy(struct inventory **inventory);

/* `content` is all that matters of it. Names need not be unique. */
void inventory_add(struct inventory *inventory, enum inventory_kind kind, struct slice name,
                   struct slice content, struct slice at);
/* The files that there are. */
void inventory_add_files(struct inventory *inventory, const struct bundle *bundle);
/* A descriptor of memory, close-on-exec; -1 with errno. */
int inventory_seal(struct inventory *inventory);
