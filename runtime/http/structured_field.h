/*
 * structured_field — fields whose values are lists, dictionaries or items (RFC 9651).
 *
 * Reads what RFC 8941 has, and dates and display strings beside it. Strict, as that RFC asks: one
 * fault makes the whole field invalid. Results live in the arena, and point into the text where
 * nothing had to be decoded. No recursion: an inner list has items alone. Bounded by the limits
 * below; a field beyond them is invalid.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"

#define STRUCTURED_MEMBERS_MAX    1024 /* of a list, dictionary or inner list */
#define STRUCTURED_PARAMETERS_MAX 256  /* of one item or inner list */

enum structured_type {
    STRUCTURED_INTEGER, /* number: -999,999,999,999,999 to 999,999,999,999,999 */
    STRUCTURED_DECIMAL, /* number: thousandths */
    STRUCTURED_STRING,  /* text: printable ASCII, unescaped */
    STRUCTURED_TOKEN,   /* text */
    STRUCTURED_BYTES,   /* text: decoded */
    STRUCTURED_BOOLEAN, /* number: 0 or 1 */
    STRUCTURED_DATE,    /* number: seconds since the epoch */
    STRUCTURED_DISPLAY  /* text: UTF-8, decoded */
};

struct structured_value {
    enum structured_type type;
    int64_t number;
    struct slice text;
};

struct structured_parameter {
    struct slice key;
    struct structured_value value;
};

/* Of the same key the last one, in the place of the first. */
struct structured_parameters {
    struct structured_parameter *items;
    uint32_t count;
};

struct structured_item {
    struct structured_value value;
    struct structured_parameters parameters;
};

/* Of a list, or of a dictionary, where it has a key: of the same key the last one. */
struct structured_member {
    struct slice key;
    bool is_inner_list;
    struct structured_item item;   /* of an inner list: its parameters alone */
    struct structured_item *items; /* of an inner list */
    uint32_t item_count;
};

struct structured_field {
    struct structured_member *members;
    uint32_t count;
};

/*
 * `text` is the value of the whole field: several lines of it joined by commas (headers_joined). An
 * empty list or dictionary is one without members. False: not what was expected.
 */
bool structured_field_parse_list(struct slice text, struct arena *arena,
                                 struct structured_field *field);
bool structured_field_parse_dictionary(struct slice text, struct arena *arena,
                                       struct structured_field *field);
bool structured_field_parse_item(struct slice text, struct arena *arena,
                                 struct structured_item *item);

/* The member of a dictionary; NULL when there is none. */
const struct structured_member *structured_field_find(const struct structured_field *field,
                                                      struct slice key);
