/*
 * json_syntax — whether a text is JSON (RFC 8259), and not only nearly.
 *
 * lua-cjson takes what others refuse: "2.", "-012", raw line feeds in strings, 1e400 as infinity.
 * What two parsers could read differently is refused before it decodes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* Arrays and objects within each other. */
#define JSON_SYNTAX_DEPTH_MAX 128

/* False with the offset of the first byte that does not fit. */
bool json_syntax_check(struct slice text, size_t *offset);

/* A long text, looked at piece by piece. */
struct json_syntax {
    struct slice text;
    size_t at; /* what comes before fits */
    unsigned depth;
    uint64_t is_object[JSON_SYNTAX_DEPTH_MAX / 64];
    bool takes_any_number; /* for who passes the text on: no matter what a double can be */
    bool may_pass_ascii;   /* false: what was looked at last is ASCII, so it is UTF-8 */
};

enum json_syntax_verdict { JSON_SYNTAX_FITS, JSON_SYNTAX_FAILS, JSON_SYNTAX_GOES_ON };

void json_syntax_begin(struct json_syntax *syntax, struct slice text);
/* Goes on for `bytes`, and to the end of the value that is begun then. */
enum json_syntax_verdict json_syntax_continue(struct json_syntax *syntax, size_t bytes);
