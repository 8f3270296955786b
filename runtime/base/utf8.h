/*
 * utf8 — whether bytes are UTF-8 (RFC 3629).
 *
 * No overlong forms, no surrogates, nothing above U+10FFFF.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* Bytes of the character at the start of a text that is not empty; 0 when there is none. */
size_t utf8_length(struct slice text);
bool utf8_is_valid(struct slice text);
