/*
 * slice — a run of bytes that belongs to somebody else.
 *
 * Never terminated, never owned; an empty slice may have any `start`, a slice
 * whose `start` is NULL means "none" where a header says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cold.h"

struct slice {
    const char *start;
    size_t length;
};

/* A slice over a string literal; also valid as a static initialiser. */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})
#define SLICE_NONE     ((struct slice){NULL, 0})
/* For printf's "%.*s". */
#define SLICE_FORMAT(slice) (int)(slice).length, (slice).start

static inline struct slice slice_of(const char *start, size_t length)
{
    return (struct slice){start, length};
}

static inline struct slice slice_from_string(const char *string)
{
    return (struct slice){string, strlen(string)};
}

/* A copy with a zero byte behind it, the caller's to free(). */
char *slice_to_string(struct slice slice);

static inline bool slice_equals(struct slice one, struct slice other)
{
    return one.length == other.length &&
           (one.length == 0 || memcmp(one.start, other.start, one.length) == 0);
}

/* From `from` (at most the length) to the end. */
static inline struct slice slice_after(struct slice slice, size_t from)
{
    return (struct slice){slice.start + from, slice.length - from};
}

static inline char slice_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* Up to eight bytes, at least one, in one word: the same word for the same bytes. */
static inline uint64_t slice_word(const char *at, size_t length)
{
    uint64_t word;
    uint32_t first, last;

    if (length >= 8) {
        memcpy(&word, at, 8);
        return word;
    }
    if (length < 4)
        return (uint64_t)(unsigned char)at[0] << 16 | (uint64_t)(unsigned char)at[length / 2] << 8 |
               (unsigned char)at[length - 1];
    memcpy(&first, at, 4);
    memcpy(&last, at + length - 4, 4);
    return (uint64_t)first << 32 | last;
}

/* The ASCII letters among eight bytes in lower case. */
static inline uint64_t slice_lower_word(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t low = word & ~tops;
    uint64_t from_a = low + ones * (0x80 - 'A'), beyond_z = low + ones * (0x7f - 'Z');
    uint64_t upper = from_a & ~beyond_z & ~word & tops;

    return word | upper >> 2;
}

/* Up to eight bytes, whether in either case they are `known`: small letters, digits and '-', of
 * which letters alone have the bit 0x40; and the capital of a letter is what lacks 0x20. */
static inline bool slice_is_token_word(const char *at, const char *known, size_t length)
{
    uint64_t word = slice_word(known, length);
    return (slice_word(at, length) | (word >> 1 & 0x2020202020202020u)) == word;
}

/* The same of two texts of any length but zero. */
static inline bool slice_is_token(struct slice slice, struct slice known)
{
    size_t length = known.length;

    if (slice.length != length)
        return false;
    if (length < 8)
        return slice_is_token_word(slice.start, known.start, length);
    for (size_t at = 0; at + 8 < length; at += 8) {
        if (!slice_is_token_word(slice.start + at, known.start + at, 8))
            return false;
    }
    return slice_is_token_word(slice.start + length - 8, known.start + length - 8, 8);
}

/* ASCII letters only, as HTTP field names and tokens compare (RFC 9110, 5.1). */
bool slice_equals_ignoring_case(struct slice one, struct slice other);
bool slice_starts_with(struct slice slice, struct slice prefix);
static inline bool slice_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Without spaces and tabs at both ends (OWS, RFC 9110, 5.6.3). */
static inline struct slice slice_trimmed(struct slice slice)
{
    while (slice.length > 0 && slice_is_blank(slice.start[0]))
        slice = slice_after(slice, 1);
    while (slice.length > 0 && slice_is_blank(slice.start[slice.length - 1]))
        slice.length--;
    return slice;
}

/* Offset of the first `c`, or the length when there is none. */
size_t slice_find(struct slice slice, char c);

/* Digits and nothing else, at least one; false on anything else or beyond 2^64 - 1. */
bool slice_to_uint64(struct slice slice, uint64_t *number);

#define SLICE_DIGITS_MAX 20
/* The decimal digits of a number, written at the end of `digits`. */
struct slice slice_of_uint64(uint64_t number, char digits[SLICE_DIGITS_MAX]);

/*
 * The next element of a comma-separated list (RFC 9110, 5.6.1), trimmed, empty
 * elements skipped: takes it off `*rest`. False when there is none left.
 */
bool slice_next_element(struct slice *rest, struct slice *element);
/* Whether `list` has `token` among its comma-separated elements, ignoring case. */
bool slice_list_has(struct slice list, struct slice token);

/* Equal in time that depends on the lengths alone: for secrets. */
bool slice_equals_secret(struct slice one, struct slice other);
