/*
 * h1_chunk_scanner — one byte, one step; data itself never passes through here.
 */
#include "http/h1_chunk_scanner.h"

#include <assert.h>

#include "http/octet.h"

#define SIZE_DIGITS_MAX 16
#define EXTENSION_LINES 16

enum state {
    SIZE,
    EXTENSION_START, /* after ';': blanks, then a name */
    EXTENSION_NAME,
    EXTENSION_NAME_END, /* blanks after a name */
    EXTENSION_EQUALS,   /* after '=': blanks, then a value */
    EXTENSION_TOKEN,
    EXTENSION_QUOTED,
    EXTENSION_ESCAPE, /* after a backslash */
    EXTENSION_QUOTED_END,
    EXTENSION_VALUE_END, /* blanks after a value */
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    TRAILERS,
};

void h1_chunk_scanner_init(struct h1_chunk_scanner *scanner, size_t extension_bytes_max)
{
    *scanner = (struct h1_chunk_scanner){.extension_bytes_max = extension_bytes_max};
}

static bool go(struct h1_chunk_scanner *scanner, enum state state)
{
    scanner->state = state;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool scan_size(struct h1_chunk_scanner *scanner, char c)
{
    if (octet_is(c, OCTET_HEX)) {
        if (scanner->digits == SIZE_DIGITS_MAX || scanner->left > (uint64_t)INT64_MAX >> 4)
            return false;
        scanner->digits++;
        scanner->left = scanner->left << 4 | octet_hex(c);
        return true;
    }
    if (scanner->digits == 0)
        return false;
    if (c == '\r')
        return go(scanner, SIZE_LF);
    return c == ';' && go(scanner, EXTENSION_START);
}

/* What may follow a complete name or value. */
static bool end_extension(struct h1_chunk_scanner *scanner, char c, enum state blanks)
{
    if (c == ';')
        return go(scanner, EXTENSION_START);
    if (is_blank(c))
        return go(scanner, blanks);
    return c == '\r' && scanner->state != blanks && go(scanner, SIZE_LF);
}

static bool scan_name(struct h1_chunk_scanner *scanner, char c)
{
    if (scanner->state == EXTENSION_NAME && octet_is(c, OCTET_TOKEN))
        return true;
    if (c == '=')
        return go(scanner, EXTENSION_EQUALS);
    return end_extension(scanner, c, EXTENSION_NAME_END);
}

static bool scan_equals(struct h1_chunk_scanner *scanner, char c)
{
    if (is_blank(c))
        return true;
    if (c == '"')
        return go(scanner, EXTENSION_QUOTED);
    return octet_is(c, OCTET_TOKEN) && go(scanner, EXTENSION_TOKEN);
}

static bool scan_quoted(struct h1_chunk_scanner *scanner, char c)
{
    if (c == '"')
        return go(scanner, EXTENSION_QUOTED_END);
    if (c == '\\')
        return go(scanner, EXTENSION_ESCAPE);
    return octet_is(c, OCTET_VALUE);
}

static bool scan_extension(struct h1_chunk_scanner *scanner, char c)
{
    switch ((enum state)scanner->state) {
    case EXTENSION_START:
        return is_blank(c) || (octet_is(c, OCTET_TOKEN) && go(scanner, EXTENSION_NAME));
    case EXTENSION_NAME:
    case EXTENSION_NAME_END:
        return scan_name(scanner, c);
    case EXTENSION_EQUALS:
        return scan_equals(scanner, c);
    case EXTENSION_QUOTED:
        return scan_quoted(scanner, c);
    case EXTENSION_ESCAPE:
        return octet_is(c, OCTET_VALUE) && go(scanner, EXTENSION_QUOTED);
    case EXTENSION_TOKEN:
        return octet_is(c, OCTET_TOKEN) || end_extension(scanner, c, EXTENSION_VALUE_END);
    case EXTENSION_QUOTED_END:
    case EXTENSION_VALUE_END:
        return end_extension(scanner, c, EXTENSION_VALUE_END);
    case SIZE:
    case SIZE_LF:
    case DATA:
    case DATA_CR:
    case DATA_LF:
    case TRAILERS:
        break;
    }
    assert(!"not in an extension");
    return false;
}

static bool may_extend(struct h1_chunk_scanner *scanner)
{
    scanner->line_extension_bytes++;
    scanner->total_extension_bytes++;
    return scanner->line_extension_bytes <= scanner->extension_bytes_max &&
           scanner->total_extension_bytes <=
               (uint64_t)scanner->extension_bytes_max * EXTENSION_LINES;
}

static bool end_size_line(struct h1_chunk_scanner *scanner)
{
    scanner->digits = 0;
    scanner->line_extension_bytes = 0;
    return go(scanner, scanner->left > 0 ? DATA : TRAILERS);
}

static bool step(struct h1_chunk_scanner *scanner, char c)
{
    switch ((enum state)scanner->state) {
    case SIZE:
        return scan_size(scanner, c);
    case SIZE_LF:
        return c == '\n' && end_size_line(scanner);
    case DATA_CR:
        return c == '\r' && go(scanner, DATA_LF);
    case DATA_LF:
        return c == '\n' && go(scanner, SIZE);
    case EXTENSION_START:
    case EXTENSION_NAME:
    case EXTENSION_NAME_END:
    case EXTENSION_EQUALS:
    case EXTENSION_TOKEN:
    case EXTENSION_QUOTED:
    case EXTENSION_ESCAPE:
    case EXTENSION_QUOTED_END:
    case EXTENSION_VALUE_END:
        return may_extend(scanner) && scan_extension(scanner, c);
    case DATA:
    case TRAILERS:
        break;
    }
    assert(!"not in the framing");
    return false;
}

enum h1_chunk h1_chunk_scanner_scan(struct h1_chunk_scanner *scanner, struct slice input,
                                    size_t *used)
{
    *used = 0;
    while (scanner->state != DATA && scanner->state != TRAILERS) {
        if (*used == input.length)
            return H1_CHUNK_MORE;
        if (!step(scanner, input.start[*used]))
            return H1_CHUNK_REFUSED;
        (*used)++;
    }
    return scanner->state == DATA ? H1_CHUNK_DATA : H1_CHUNK_TRAILERS;
}

void h1_chunk_scanner_take(struct h1_chunk_scanner *scanner, uint64_t bytes)
{
    assert(scanner->state == DATA && bytes <= scanner->left);
    scanner->left -= bytes;
    if (scanner->left == 0)
        scanner->state = DATA_CR;
}
