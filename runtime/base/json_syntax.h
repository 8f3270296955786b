/*
 * json_syntax — whether a text is JSON (RFC 8259), and not only nearly.
 *
 * lua-cjson takes what others refuse: "2.", "-012", raw line feeds in strings. What two parsers
 * could read differently is refused before it decodes.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Arrays and objects within each other. */
#define JSON_SYNTAX_DEPTH_MAX 128

/* False with the offset of the first byte that does not fit. */
bool json_syntax_check(struct slice text, size_t *offset);
