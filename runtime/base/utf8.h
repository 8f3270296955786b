/*
 * utf8 — whether bytes are UTF-8 (RFC 3629).
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* No overlong forms, no surrogates, nothing above U+10FFFF. */
bool utf8_is_valid(struct slice text);
