/*
 * h1_lines — the colon, the name's number, the value's end, line after line.
 */
#include "http/h1_lines.h"

#include "http/octet.h"

static bool is_token(struct slice name)
{
    size_t i = 0;
    while (i < name.length && octet_is(name.start[i], OCTET_TOKEN))
        i++;
    return i == name.length && i > 0;
}

/* The name before the colon, and its number: what is one of the known names is a token. */
static bool take_name(struct header *line, const char *at, const char *end)
{
    const char *colon = octet_name_end(at, end);

    if (colon == end || *colon != ':')
        return false;
    line->name = slice_of(at, (size_t)(colon - at));
    line->id = header_id_of(line->name);
    return line->id != HEADER_OTHER || is_token(line->name);
}

/* False where the line is not all there, or has something in it that no value has. */
static bool take_value(struct header *line, const char *end, const char **next)
{
    const char *start = line->name.start + line->name.length + 1;
    const char *stop = octet_value_end(start, end);

    if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
        return false;
    *next = stop + 2;
    line->value = slice_trimmed(slice_of(start, (size_t)(stop - start)));
    line->is_line = line->value.start == start + 1 && *start == ' ' &&
                    line->value.start + line->value.length == stop;
    return true;
}

static void note(struct h1_lines *lines, const struct header *line)
{
    lines->items[lines->count++] = *line;
    lines->ids |= HEADERS_BIT(line->id);
    lines->bytes += headers_line_bytes(line);
}

const char *h1_lines_take(struct h1_lines *lines, const char *at, const char *end)
{
    struct header line;
    const char *next;

    while (at < end && *at != '\r' && take_name(&line, at, end) && take_value(&line, end, &next)) {
        if (lines != NULL && lines->count == HEADERS_MAX)
            break;
        if (lines != NULL)
            note(lines, &line);
        at = next;
    }
    return at;
}
