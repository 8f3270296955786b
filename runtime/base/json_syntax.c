/*
 * json_syntax — one pass over the bytes; what is open is a bit each: array or object.
 */
#include "base/json_syntax.h"

#include <stdint.h>

struct reader {
    struct slice text;
    size_t at;
    unsigned depth;
    uint64_t is_object[JSON_SYNTAX_DEPTH_MAX / 64];
};

/* The byte at the reader, or 0 at the end: a 0 within the text fits nowhere either. */
static unsigned char peek(const struct reader *reader)
{
    return reader->at < reader->text.length ? (unsigned char)reader->text.start[reader->at] : 0;
}

static bool take(struct reader *reader, char wanted)
{
    if (peek(reader) != (unsigned char)wanted || reader->at == reader->text.length)
        return false;
    reader->at++;
    return true;
}

static void skip_blanks(struct reader *reader)
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

static bool take_digits(struct reader *reader)
{
    size_t before = reader->at;
    while (is_digit(peek(reader)))
        reader->at++;
    return reader->at > before;
}

static bool take_number(struct reader *reader)
{
    take(reader, '-');
    if (!take(reader, '0') && !take_digits(reader))
        return false;
    if (take(reader, '.') && !take_digits(reader))
        return false;
    if (!take(reader, 'e') && !take(reader, 'E'))
        return true;
    if (!take(reader, '+'))
        take(reader, '-');
    return take_digits(reader);
}

static bool take_escape(struct reader *reader)
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

/* Whether one of sixteen bytes is not what stands for itself in a string. */
static bool has_special(const char *at)
{
    octets text;
    uint64_t halves[2];

    memcpy(&text, at, sizeof(text));
    octets special = (octets)((text == '"') | (text == '\\') | (text < ' '));
    memcpy(halves, &special, sizeof(halves));
    return (halves[0] | halves[1]) != 0;
}

/* Over what stands for itself in a string, sixteen bytes at once: at most fifteen of it are left.
 */
static void skip_plain(struct reader *reader)
{
    const char *at = reader->text.start + reader->at;
    size_t left = reader->text.length - reader->at;

    while (left >= sizeof(octets) && !has_special(at)) {
        at += sizeof(octets);
        left -= sizeof(octets);
    }
    reader->at = reader->text.length - left;
}

static bool take_string(struct reader *reader)
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

static bool take_word(struct reader *reader, struct slice word)
{
    if (!slice_starts_with(slice_after(reader->text, reader->at), word))
        return false;
    reader->at += word.length;
    return true;
}

static bool take_scalar(struct reader *reader)
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

static bool is_in_object(const struct reader *reader)
{
    unsigned top = reader->depth - 1;
    return (reader->is_object[top / 64] >> (top % 64) & 1) != 0;
}

static bool open(struct reader *reader, bool is_object)
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

static bool take_name(struct reader *reader)
{
    skip_blanks(reader);
    if (!take_string(reader))
        return false;
    skip_blanks(reader);
    return take(reader, ':');
}

/* Begins a value: all of a scalar, or what opens an array or object that is not empty. */
static bool begin_value(struct reader *reader, bool *is_complete)
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
static bool end_value(struct reader *reader, bool *is_over)
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

bool json_syntax_check(struct slice text, size_t *offset)
{
    struct reader reader = {.text = text};
    bool is_over = false, fits = true;

    while (fits && !is_over) {
        bool is_complete;
        fits = begin_value(&reader, &is_complete);
        if (fits && is_complete)
            fits = end_value(&reader, &is_over);
    }
    *offset = reader.at;
    return fits && reader.at == text.length;
}
