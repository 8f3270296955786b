/*
 * structured_reader — one function for each type, chosen by its first byte (RFC 9651, 4.2.3.1).
 */
#include "http/structured_reader.h"

#include "base/base64.h"
#include "base/utf8.h"
#include "http/octet.h"

#define INTEGER_DIGITS_MAX  15
#define WHOLE_DIGITS_MAX    12 /* of a decimal, before the point */
#define FRACTION_DIGITS_MAX 3

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_letter(char c)
{
    return is_lower(slice_lower(c));
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

bool structured_reader_take(struct structured_reader *reader, char c)
{
    if (!structured_reader_sees(reader, c))
        return false;
    reader->at++;
    return true;
}

void structured_reader_skip(struct structured_reader *reader, bool with_tabs)
{
    while (reader->at < reader->end && (*reader->at == ' ' || (with_tabs && *reader->at == '\t')))
        reader->at++;
}

bool structured_reader_key(struct structured_reader *reader, struct slice *key)
{
    const char *start = reader->at;

    if (start == reader->end || (!is_lower(*start) && *start != '*'))
        return false;
    while (reader->at < reader->end &&
           (is_lower(*reader->at) || octet_is(*reader->at, OCTET_DIGIT) || *reader->at == '_' ||
            *reader->at == '-' || *reader->at == '.' || *reader->at == '*'))
        reader->at++;
    *key = slice_of(start, (size_t)(reader->at - start));
    return true;
}

/* Digits, of which there is at least one; how many there were is left in `count`. */
static bool read_digits(struct structured_reader *reader, size_t max, int64_t *number,
                        size_t *count)
{
    *count = 0;
    *number = 0;
    while (reader->at < reader->end && octet_is(*reader->at, OCTET_DIGIT)) {
        if (++*count > max)
            return false;
        *number = *number * 10 + (*reader->at++ - '0');
    }
    return *count > 0;
}

static bool read_number(struct structured_reader *reader, struct structured_value *value)
{
    bool is_negative = structured_reader_take(reader, '-');
    int64_t number, fraction = 0;
    size_t digits;

    if (!read_digits(reader, INTEGER_DIGITS_MAX, &number, &digits))
        return false;
    value->type = STRUCTURED_INTEGER;
    if (structured_reader_take(reader, '.')) {
        if (digits > WHOLE_DIGITS_MAX ||
            !read_digits(reader, FRACTION_DIGITS_MAX, &fraction, &digits))
            return false;
        for (; digits < FRACTION_DIGITS_MAX; digits++)
            fraction *= 10;
        number = number * 1000 + fraction;
        value->type = STRUCTURED_DECIMAL;
    }
    value->number = is_negative ? -number : number;
    return true;
}

static bool read_date(struct structured_reader *reader, struct structured_value *value)
{
    reader->at++;
    if (!read_number(reader, value) || value->type != STRUCTURED_INTEGER)
        return false;
    value->type = STRUCTURED_DATE;
    return true;
}

/* What stands between quotes, with its escapes: the reader is behind the closing one. */
static bool read_quoted(struct structured_reader *reader, struct slice *raw, bool *is_escaped)
{
    const char *start = reader->at;

    *is_escaped = false;
    for (; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        if (c == '"') {
            *raw = slice_of(start, (size_t)(reader->at++ - start));
            return true;
        }
        if (!is_printable(c))
            return false;
        if (c != '\\')
            continue;
        *is_escaped = true;
        if (++reader->at == reader->end || (*reader->at != '"' && *reader->at != '\\'))
            return false;
    }
    return false;
}

static bool read_string(struct structured_reader *reader, struct structured_value *value)
{
    struct slice raw;
    bool is_escaped;

    reader->at++;
    if (!read_quoted(reader, &raw, &is_escaped))
        return false;
    value->type = STRUCTURED_STRING;
    value->text = raw;
    if (!is_escaped)
        return true;
    char *to = arena_alloc(reader->arena, raw.length);
    size_t length = 0;
    for (size_t i = 0; i < raw.length; i++) {
        if (raw.start[i] == '\\')
            i++;
        to[length++] = raw.start[i];
    }
    value->text = slice_of(to, length);
    return true;
}

static bool read_token(struct structured_reader *reader, struct structured_value *value)
{
    const char *start = reader->at;

    while (reader->at < reader->end &&
           (octet_is(*reader->at, OCTET_TOKEN) || *reader->at == ':' || *reader->at == '/'))
        reader->at++;
    value->type = STRUCTURED_TOKEN;
    value->text = slice_of(start, (size_t)(reader->at - start));
    return true;
}

/* Padding and the bits beside it have to be right, as they are in what RFC 9651 (4.1.8) writes. */
static bool read_bytes(struct structured_reader *reader, struct structured_value *value)
{
    const char *start = ++reader->at;
    size_t length;

    while (reader->at < reader->end && *reader->at != ':')
        reader->at++;
    struct slice text = slice_of(start, (size_t)(reader->at - start));
    char *bytes = arena_alloc(reader->arena, BASE64_BYTES_MAX(text.length));
    if (!structured_reader_take(reader, ':') || !base64_decode(text, BASE64_PLAIN, bytes, &length))
        return false;
    value->type = STRUCTURED_BYTES;
    value->text = slice_of(bytes, length);
    return true;
}

static bool read_boolean(struct structured_reader *reader, struct structured_value *value)
{
    reader->at++;
    value->type = STRUCTURED_BOOLEAN;
    value->number = structured_reader_sees(reader, '1');
    return structured_reader_take(reader, '1') || structured_reader_take(reader, '0');
}

static bool is_lower_hex(char c)
{
    return octet_is(c, OCTET_HEX) && !(c >= 'A' && c <= 'F');
}

/* `%"` was seen, and the escapes are decoded until the closing quote. */
static bool decode_display(struct structured_reader *reader, char *to, size_t *length)
{
    for (*length = 0; reader->at < reader->end; reader->at++) {
        char c = *reader->at;
        if (c == '"') {
            reader->at++;
            return true;
        }
        if (!is_printable(c))
            return false;
        if (c == '%') {
            if (reader->end - reader->at < 3 || !is_lower_hex(reader->at[1]) ||
                !is_lower_hex(reader->at[2]))
                return false;
            c = (char)(octet_hex(reader->at[1]) << 4 | octet_hex(reader->at[2]));
            reader->at += 2;
        }
        to[(*length)++] = c;
    }
    return false;
}

static bool read_display(struct structured_reader *reader, struct structured_value *value)
{
    size_t length;

    reader->at++;
    if (!structured_reader_take(reader, '"'))
        return false;
    char *to = arena_alloc(reader->arena, (size_t)(reader->end - reader->at));
    if (!decode_display(reader, to, &length))
        return false;
    value->type = STRUCTURED_DISPLAY;
    value->text = slice_of(to, length);
    return utf8_is_valid(value->text);
}

bool structured_reader_value(struct structured_reader *reader, struct structured_value *value)
{
    *value = (struct structured_value){0};
    if (reader->at == reader->end)
        return false;
    char first = *reader->at;
    if (first == '-' || octet_is(first, OCTET_DIGIT))
        return read_number(reader, value);
    if (first == '*' || is_letter(first))
        return read_token(reader, value);
    switch (first) {
    case '"':
        return read_string(reader, value);
    case ':':
        return read_bytes(reader, value);
    case '?':
        return read_boolean(reader, value);
    case '@':
        return read_date(reader, value);
    case '%':
        return read_display(reader, value);
    default:
        return false;
    }
}
