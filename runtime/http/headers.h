/*
 * headers — the fields of one message, in their order, repeated ones kept apart.
 *
 * Lives in an arena; names and values are slices into the message's head or into
 * the arena. Names are compared ignoring case and kept as they were written.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "http/header_name.h"

/* More fields than this make the head too large, whatever its bytes. */
#define HEADERS_MAX 256

struct header {
    struct slice name, value; /* name.start NULL: removed */
    enum header_id id;
    bool is_line; /* stands in its message as "name: value\r\n", which may be copied as it is */
};

/* Sets of known names. */
_Static_assert(HEADER_ID_COUNT <= 64, "sets of known names are bits of an uint64_t");
#define HEADERS_BIT(id) (UINT64_C(1) << (id))

struct headers {
    struct header *items;
    uint32_t count, capacity; /* removed ones count until the next headers_add finds no room */
    uint64_t ids;             /* HEADERS_BIT of all that were ever added: what has none is absent */
    size_t bytes;             /* of all as lines, "name: value\r\n" */
};

/* A name with its number, for who knows that already. */
struct header_key {
    struct slice name;
    enum header_id id; /* header_id_of(name) */
};

/* Adds at the end; the slices are kept, not copied. False at HEADERS_MAX. */
bool headers_add_field(struct headers *headers, struct arena *arena, const struct header *field);
bool headers_add(struct headers *headers, struct arena *arena, struct slice name,
                 struct slice value);
bool headers_add_known(struct headers *headers, struct arena *arena, enum header_id id,
                       struct slice value);
/* Replaces all fields of that name by one, in the place of the first. False at HEADERS_MAX. */
bool headers_set_field(struct headers *headers, struct arena *arena, const struct header *field);
bool headers_set(struct headers *headers, struct arena *arena, struct slice name,
                 struct slice value);
bool headers_set_known(struct headers *headers, struct arena *arena, enum header_id id,
                       struct slice value);
/* How many were removed. */
size_t headers_remove(struct headers *headers, struct slice name);
size_t headers_remove_key(struct headers *headers, struct header_key key);
size_t headers_remove_known(struct headers *headers, enum header_id id);
/*
 * All whose names begin so; '_' is as good as '-', since CGI and what came after it make no
 * difference. Those that frame the message stay.
 */
size_t headers_remove_prefix(struct headers *headers, struct slice prefix);
/* The same for those that are called so, in any such spelling. */
size_t headers_remove_alike(struct headers *headers, struct slice name);

/* The first field of that name, or NULL. Valid until fields are added. */
const struct header *headers_find(const struct headers *headers, struct slice name);
const struct header *headers_find_known(const struct headers *headers, enum header_id id);
/* The next of the same name after `header`, or NULL. */
const struct header *headers_find_next(const struct headers *headers, const struct header *header);
/* All values of that name joined with ", " (RFC 9110, 5.3); start NULL when there is none. */
struct slice headers_joined(const struct headers *headers, struct arena *arena, struct slice name);
struct slice headers_joined_key(const struct headers *headers, struct arena *arena,
                                struct header_key key);

/* Walks over what is there: start with *at = 0; NULL at the end. */
static inline const struct header *headers_next(const struct headers *headers, uint32_t *at)
{
    while (*at < headers->count) {
        const struct header *header = &headers->items[(*at)++];
        if (header->name.start != NULL)
            return header;
    }
    return NULL;
}

/* Of a field as a line. */
static inline size_t headers_line_bytes(const struct header *header)
{
    return header->name.length + header->value.length + 4;
}

/* A table of the same fields with room of its own; slices are shared. */
void headers_copy(struct headers *target, const struct headers *source, struct arena *arena);

/* The same without the fields whose ids have their HEADERS_BIT in `without`. */
void headers_copy_without(struct headers *target, const struct headers *source, struct arena *arena,
                          uint64_t without);

/* Copies what does not stand in the message that it came with: it stands in the arena from then on,
 * as a line, and is not copied again. */
void headers_keep(struct headers *headers, struct arena *arena);

/* A name is a token; a value has no controls but tab, no blanks at its ends (RFC 9110, 5). */
bool headers_is_name(struct slice name);
bool headers_is_value(struct slice value);

/*
 * Removes what belongs to one connection alone: Connection, each field it
 * nominates (but those with HEADER_END_TO_END), Keep-Alive, Proxy-Connection,
 * TE, Transfer-Encoding, Upgrade (RFC 9110, 7.6.1).
 */
void headers_remove_hop_by_hop(struct headers *headers);
