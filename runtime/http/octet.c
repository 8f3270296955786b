/*
 * octet — the table of sets, by ranges of bytes that belong to the same ones.
 */
#include "http/octet.h"

#include <endian.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* clang-format off */
#define VALUE OCTET_VALUE                                /* of a field value alone */
#define NAME (OCTET_VALUE | OCTET_TOKEN)                 /* but not of a URI */
#define DELIMITER (OCTET_VALUE | OCTET_TARGET)           /* of a URI, but not of a token */
#define MARK (OCTET_VALUE | OCTET_TARGET | OCTET_TOKEN)  /* of a URI and of a token, but reserved */
#define LETTER (MARK | OCTET_UNRESERVED)
#define HEX (LETTER | OCTET_HEX)
#define DIGIT (HEX | OCTET_DIGIT)

const uint8_t OCTETS[256] = {
    ['\t'] = VALUE, [' '] = VALUE, ['"'] = VALUE, ['<'] = VALUE, ['>'] = VALUE, ['\\'] = VALUE,
    ['{'] = VALUE, ['}'] = VALUE, [0x80 ... 0xff] = VALUE,
    ['#'] = NAME, ['^'] = NAME, ['`'] = NAME, ['|'] = NAME,
    ['('] = DELIMITER, [')'] = DELIMITER, [','] = DELIMITER, ['/'] = DELIMITER, [':'] = DELIMITER,
    [';'] = DELIMITER, ['='] = DELIMITER, ['?'] = DELIMITER, ['@'] = DELIMITER, ['['] = DELIMITER,
    [']'] = DELIMITER,
    ['!'] = MARK, ['$'] = MARK, ['%'] = MARK, ['&'] = MARK, ['\''] = MARK, ['*'] = MARK,
    ['+'] = MARK,
    ['-'] = LETTER, ['.'] = LETTER, ['_'] = LETTER, ['~'] = LETTER,
    ['G' ... 'Z'] = LETTER, ['g' ... 'z'] = LETTER,
    ['A' ... 'F'] = HEX, ['a' ... 'f'] = HEX, ['0' ... '9'] = DIGIT,
};
/* clang-format on */

#if defined(__SSE2__)
#define STEP 16

static unsigned before_first(__m128i are_found)
{
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8(are_found) | 1u << STEP);
}

static __m128i are_controls(__m128i bytes)
{
    __m128i below = _mm_set1_epi8(0x1f);
    __m128i are_below = _mm_cmpeq_epi8(_mm_min_epu8(bytes, below), bytes);
    return _mm_or_si128(are_below, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
}

/* How many of sixteen bytes come before the first control character. */
static unsigned before_control(const char *at)
{
    return before_first(are_controls(_mm_loadu_si128((const __m128i *)at)));
}

/* How many of sixteen bytes come before the first colon. */
static unsigned before_colon(const char *at)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)at);
    return before_first(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(':')));
}
#else
#define STEP 8

/* The same of eight. The top bits of bytes after the first control character may be wrong. */
static unsigned before_control(const char *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = ones << 7;
    uint64_t word;

    memcpy(&word, at, STEP);
    word = le64toh(word);
    uint64_t delete = word ^ (ones * 0x7f);
    uint64_t below_blank = (word - ones * 0x20) & ~word;
    uint64_t is_delete = (delete - ones) & ~delete;
    uint64_t controls = (below_blank | is_delete) & tops;
    return controls == 0 ? STEP : (unsigned)__builtin_ctzll(controls) / 8;
}

static unsigned before_colon(const char *at)
{
    const char *colon = memchr(at, ':', STEP);
    return colon != NULL ? (unsigned)(colon - at) : STEP;
}
#endif

const char *octet_value_end(const char *at, const char *end)
{
    while (end - at >= STEP) {
        unsigned before = before_control(at);
        at += before;
        if (before == STEP)
            continue;
        if (*at != '\t')
            return at;
        at++;
    }
    while (at < end && octet_is(*at, OCTET_VALUE))
        at++;
    return at;
}

const char *octet_name_end(const char *at, const char *end)
{
    if (end - at >= STEP) {
        unsigned before = before_colon(at);
        if (before < STEP)
            return at + before;
    }
    while (at < end && octet_is(*at, OCTET_TOKEN))
        at++;
    return at;
}
