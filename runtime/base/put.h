/*
 * put — one piece of text after the other, into room that is known to be large enough.
 */
#pragma once

#include "base/slice.h"

/* Copies it to `at`; where it ends. */
static inline char *put(char *at, struct slice slice)
{
    if (slice.length > 0)
        memcpy(at, slice.start, slice.length);
    return at + slice.length;
}
