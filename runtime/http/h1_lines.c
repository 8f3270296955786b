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

/* What stands between the colon and the CR, without the blanks around it. */
static void take_value(struct header *line, const char *colon, const char *stop)
{
    const char *start = colon + 1, *last = stop;

    while (start < last && slice_is_blank(*start))
        start++;
    while (start < last && slice_is_blank(last[-1]))
        last--;
    line->value = slice_of(start, (size_t)(last - start));
    line->is_line = start == colon + 2 && colon[1] == ' ' && last == stop;
}

/* Where the next one begins; NULL: this one is not all there, or has something in it that no line
 * has. What is one of the known names is a token. */
static const char *take_line(struct header *line, const char *at, const char *end)
{
    const char *colon = octet_name_end(at, end);

    if (UNLIKELY(colon == end || *colon != ':'))
        return NULL;
    line->name = slice_of(at, (size_t)(colon - at));
    line->id = header_id_of(line->name);
    if (line->id == HEADER_OTHER && !is_token(line->name))
        return NULL;
    const char *stop = octet_value_end(colon + 1, end);
    if (UNLIKELY(end - stop < 2 || stop[0] != '\r' || stop[1] != '\n'))
        return NULL;
    take_value(line, colon, stop);
    return stop + 2;
}

const char *h1_lines_take(struct h1_lines *lines, const char *at, const char *end)
{
    struct header unnoted, *line = &unnoted;

    while (at < end && *at != '\r') {
        if (lines != NULL) {
            if (lines->count == HEADERS_MAX)
                break;
            line = &lines->items[lines->count];
        }
        const char *next = take_line(line, at, end);
        if (next == NULL)
            break;
        at = next;
        if (lines == NULL)
            continue;
        lines->count++;
        lines->ids |= HEADERS_BIT(line->id);
        lines->bytes += headers_line_bytes(line);
    }
    return at;
}
