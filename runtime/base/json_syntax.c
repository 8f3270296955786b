/*
 * json_syntax — one pass over the bytes; what is open is a bit each: array or object.
 */
#include "base/json_syntax.h"

#include <endian.h>

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

/* Which of sixteen bytes are not what stands for itself in a string. */
static octets special_of(const char *at)
{
    octets text;
    memcpy(&text, at, sizeof(text));
    return (octets)((text == '"') | (text == '\\') | (text < ' '));
}

/* How many of sixteen come before the first that is not 0. */
static size_t zeros_before(octets bytes)
{
    uint64_t halves[2];

    memcpy(halves, &bytes, sizeof(halves));
    if (halves[0] != 0)
        return (size_t)__builtin_ctzll(le64toh(halves[0])) / 8;
    return halves[1] != 0 ? 8 + (size_t)__builtin_ctzll(le64toh(halves[1])) / 8 : sizeof(octets);
}

/* Whether all of 64 bytes stand for themselves. */
static bool are_plain(const char *at)
{
    const size_t step = sizeof(octets);
    octets one = special_of(at) | special_of(at + step);
    octets other = special_of(at + 2 * step) | special_of(at + 3 * step);
    return zeros_before(one | other) == step;
}

/* Over what stands for itself in a string, 64 bytes at once, then sixteen; at the end of the text
 * up to fifteen of it are left. */
static void skip_plain(struct json_syntax *reader)
{
    const char *at = reader->text.start + reader->at;
    const char *end = reader->text.start + reader->text.length;
    size_t plain = sizeof(octets);

    while ((size_t)(end - at) >= 4 * sizeof(octets) && are_plain(at))
        at += 4 * sizeof(octets);
    while (plain == sizeof(octets) && (size_t)(end - at) >= sizeof(octets)) {
        plain = zeros_before(special_of(at));
        at += plain;
    }
    reader->at = (size_t)(at - reader->text.start);
}

static bool take_string(struct json_syntax *reader)
{
    if (!take(reader, '"'))
        return false;
    skip_plain(reader);
    while (peek(reader) >= ' ') {
        if (take(reader, '"'))
            return true;
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
