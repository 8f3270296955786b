/*
 * json_syntax — one pass over the bytes; what is open is a bit each: array or object.
 */
#include "base/json_syntax.h"

#include <endian.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/json_number.h"

/* So long that one without an exponent may be larger than a double. */
#define LARGE_BYTES 309

/* The byte at the reader, or 0 at the end: a 0 within the text fits nowhere either. */
static unsigned char peek(const struct json_syntax *reader)
{
    return reader->at < reader->text.length ? (unsigned char)reader->text.start[reader->at] : 0;
}

static bool take(struct json_syntax *reader, char wanted)
{
    if (peek(reader) != (unsigned char)wanted || reader->at == reader->text.length)
        return false;
    reader->at++;
    return true;
}

static void skip_blanks(struct json_syntax *reader)
{
    unsigned char c;
    while ((c = peek(reader)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        reader->at++;
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex_digit(unsigned char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool take_digits(struct json_syntax *reader)
{
    size_t before = reader->at;
    while (is_digit(peek(reader)))
        reader->at++;
    return reader->at > before;
}

static bool take_exponent(struct json_syntax *reader)
{
    if (!take(reader, '+'))
        take(reader, '-');
    return take_digits(reader);
}

static bool take_number(struct json_syntax *reader)
{
    size_t start = reader->at;

    take(reader, '-');
    if (!take(reader, '0') && !take_digits(reader))
        return false;
    if (take(reader, '.') && !take_digits(reader))
        return false;
    bool has_exponent = take(reader, 'e') || take(reader, 'E');
    if (has_exponent && !take_exponent(reader))
        return false;
    struct slice number = slice_of(reader->text.start + start, reader->at - start);
    return reader->takes_any_number || (!has_exponent && number.length < LARGE_BYTES) ||
           json_number_is_finite(number);
}

static bool take_escape(struct json_syntax *reader)
{
    unsigned char c = peek(reader);

    if (c == 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return false;
    reader->at++;
    for (int i = 0; c == 'u' && i < 4; i++) {
        if (!is_hex_digit(peek(reader)))
            return false;
        reader->at++;
    }
    return true;
}

typedef unsigned char octets __attribute__((vector_size(16)));

#if defined(__SSE2__)
static octets smaller_of(octets one, octets other)
{
    return (octets)_mm_min_epu8((__m128i)one, (__m128i)other);
}

/* How many of sixteen, each of which is 0 or FF, come before the first that is not 0. */
static unsigned zeros_before(octets bytes)
{
    return (unsigned)__builtin_ctz((unsigned)_mm_movemask_epi8((__m128i)bytes) | 1u << 16);
}

/* Whether one of them has its top bit set. */
static bool has_top_bit(octets bytes)
{
    return _mm_movemask_epi8((__m128i)bytes) != 0;
}
#else
static octets smaller_of(octets one, octets other)
{
    octets is_smaller = (octets)(one < other);
    return (one & is_smaller) | (other & ~is_smaller);
}

static unsigned zeros_before(octets bytes)
{
    uint64_t halves[2];

    memcpy(halves, &bytes, sizeof(halves));
    if (halves[0] != 0)
        return (unsigned)__builtin_ctzll(le64toh(halves[0])) / 8;
    return halves[1] != 0 ? 8 + (unsigned)__builtin_ctzll(le64toh(halves[1])) / 8 : 16;
}

static bool has_top_bit(octets bytes)
{
    uint64_t halves[2];

    memcpy(halves, &bytes, sizeof(halves));
    return ((halves[0] | halves[1]) & 0x8080808080808080u) != 0;
}
#endif

static octets octets_at(const char *at)
{
    octets text;
    memcpy(&text, at, sizeof(text));
    return text;
}

/* Puts the quote right above the control characters: up to 20 there are they and it alone. */
static octets quote_lowered(octets text)
{
    return text ^ 2;
}

static octets are_low(octets lowered)
{
    return (octets)(smaller_of(lowered, (octets){0} + 0x20) == lowered);
}

/* Which of sixteen bytes are not what stands for itself in a string. */
static octets special_of(octets text)
{
    return are_low(quote_lowered(text)) | (octets)(text == '\\');
}

/* Whether all of 64 bytes stand for themselves; their bits are added to `*seen`. */
static bool are_plain(const char *at, octets *seen)
{
    const size_t step = sizeof(octets);
    octets first = octets_at(at), second = octets_at(at + step);
    octets third = octets_at(at + 2 * step), fourth = octets_at(at + 3 * step);
    octets lowest = smaller_of(smaller_of(quote_lowered(first), quote_lowered(second)),
                               smaller_of(quote_lowered(third), quote_lowered(fourth)));
    octets slashes =
        (octets)((first == '\\') | (second == '\\') | (third == '\\') | (fourth == '\\'));

    *seen |= first | second | third | fourth;
    return !has_top_bit(are_low(lowest) | slashes);
}

/* How many of sixteen bytes stand for themselves before one that does not; they are added to
 * `*seen`. */
static unsigned plain_at(const char *at, octets *seen)
{
    octets text = octets_at(at);

    *seen |= text;
    return zeros_before(special_of(text));
}

/* Over what stands for itself in a string: most are shorter than sixteen bytes, the others are
 * looked at 64 bytes at once; at the end of the text up to fifteen of it are left. */
static void skip_plain(struct json_syntax *reader)
{
    const char *at = reader->text.start + reader->at;
    const char *end = reader->text.start + reader->text.length;
    octets seen = {0};

    while ((size_t)(end - at) >= sizeof(octets)) {
        unsigned plain = plain_at(at, &seen);
        at += plain;
        if (plain < sizeof(octets))
            break;
        while ((size_t)(end - at) >= 4 * sizeof(octets) && are_plain(at, &seen))
            at += 4 * sizeof(octets);
    }
    reader->at = (size_t)(at - reader->text.start);
    reader->may_pass_ascii |= has_top_bit(seen);
}

static bool take_string(struct json_syntax *reader)
{
    if (!take(reader, '"'))
        return false;
    skip_plain(reader);
    while (peek(reader) >= ' ') {
        if (take(reader, '"'))
            return true;
        reader->may_pass_ascii |= peek(reader) > 0x7f;
        if (!take(reader, '\\'))
            reader->at++;
        else if (!take_escape(reader))
            return false;
        else
            skip_plain(reader);
    }
    return false;
}

static bool take_word(struct json_syntax *reader, struct slice word)
{
    if (!slice_starts_with(slice_after(reader->text, reader->at), word))
        return false;
    reader->at += word.length;
    return true;
}

static bool take_scalar(struct json_syntax *reader)
{
    switch (peek(reader)) {
    case '"':
        return take_string(reader);
    case 't':
        return take_word(reader, SLICE("true"));
    case 'f':
        return take_word(reader, SLICE("false"));
    case 'n':
        return take_word(reader, SLICE("null"));
    default:
        return take_number(reader);
    }
}

static bool is_in_object(const struct json_syntax *reader)
{
    unsigned top = reader->depth - 1;
    return (reader->is_object[top / 64] >> (top % 64) & 1) != 0;
}

static bool open(struct json_syntax *reader, bool is_object)
{
    unsigned top = reader->depth;
    uint64_t bit = (uint64_t)1 << (top % 64);

    if (top == JSON_SYNTAX_DEPTH_MAX)
        return false;
    reader->at++;
    reader->depth++;
    reader->is_object[top / 64] &= ~bit;
    if (is_object)
        reader->is_object[top / 64] |= bit;
    return true;
}

static bool take_name(struct json_syntax *reader)
{
    skip_blanks(reader);
    if (!take_string(reader))
        return false;
    skip_blanks(reader);
    return take(reader, ':');
}

/* Begins a value: all of a scalar, or what opens an array or object that is not empty. */
static bool begin_value(struct json_syntax *reader, bool *is_complete)
{
    skip_blanks(reader);
    unsigned char c = peek(reader);

    *is_complete = c != '[' && c != '{';
    if (*is_complete)
        return take_scalar(reader);
    if (!open(reader, c == '{'))
        return false;
    skip_blanks(reader);
    if (take(reader, c == '{' ? '}' : ']')) {
        reader->depth--;
        *is_complete = true;
        return true;
    }
    return c != '{' || take_name(reader);
}

/* After a value: closes what ends here; true with `*is_over` or before the next value. */
static bool end_value(struct json_syntax *reader, bool *is_over)
{
    for (;;) {
        skip_blanks(reader);
        *is_over = reader->depth == 0;
        if (*is_over)
            return true;
        if (take(reader, ','))
            return !is_in_object(reader) || take_name(reader);
        if (!take(reader, is_in_object(reader) ? '}' : ']'))
            return false;
        reader->depth--;
    }
}

void json_syntax_begin(struct json_syntax *syntax, struct slice text)
{
    *syntax = (struct json_syntax){.text = text};
}

enum json_syntax_verdict json_syntax_continue(struct json_syntax *syntax, size_t bytes)
{
    size_t from = syntax->at;
    bool is_over = false, fits = true;

    syntax->may_pass_ascii = false;
    while (fits && !is_over) {
        bool is_complete;
        if (syntax->at - from >= bytes)
            return JSON_SYNTAX_GOES_ON;
        fits = begin_value(syntax, &is_complete);
        if (fits && is_complete)
            fits = end_value(syntax, &is_over);
    }
    return fits && syntax->at == syntax->text.length ? JSON_SYNTAX_FITS : JSON_SYNTAX_FAILS;
}

bool json_syntax_check(struct slice text, size_t *offset)
{
    struct json_syntax syntax;

    json_syntax_begin(&syntax, text);
    bool fits = json_syntax_continue(&syntax, SIZE_MAX) == JSON_SYNTAX_FITS;
    *offset = syntax.at;
    return fits;
}
