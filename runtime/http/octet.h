/*
 * octet — what a byte may be part of, in the grammars of HTTP and URIs.
 *
 * One table of 256 sets, so that each reader's inner loop is one load and one test.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define OCTET_TOKEN      1 /* tchar (RFC 9110, 5.6.2) */
#define OCTET_VALUE      2 /* within a field value: visible, blank, tab, 8-bit (RFC 9110, 5.5) */
#define OCTET_TARGET     4 /* within a request target: all that a URI may have but '#' */
#define OCTET_UNRESERVED 8 /* letters, digits, "-._~" (RFC 3986, 2.3) */
#define OCTET_HEX        16
#define OCTET_DIGIT      32

extern const uint8_t OCTETS[256];

static inline bool octet_is(char c, unsigned set)
{
    return (OCTETS[(unsigned char)c] & set) != 0;
}

/* The first byte from `at` on that is not OCTET_VALUE, or `end`. */
const char *octet_value_end(const char *at, const char *end);

/*
 * Where a name that begins at `at` may end: at the first colon of the next few bytes, whatever
 * comes before it, else at the first byte that is not OCTET_TOKEN, or `end`.
 */
const char *octet_name_end(const char *at, const char *end);

/* The value of a hexadecimal digit. */
static inline unsigned octet_hex(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : ((unsigned)digit | 0x20) - 'a' + 10;
}
