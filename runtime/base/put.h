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

/* The decimal digits of a number; where they end. There is to be room for SLICE_DIGITS_MAX. */
static inline char *put_uint64(char *at, uint64_t number)
{
    char digits[2 * SLICE_DIGITS_MAX]; /* so many are copied at once as there may be */
    struct slice text = slice_of_uint64(number, digits);
    memcpy(at, text.start, SLICE_DIGITS_MAX);
    return at + text.length;
}
