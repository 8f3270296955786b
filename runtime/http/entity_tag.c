/*
 * entity_tag — taken apart into weakness and opaque bytes.
 */
#include "http/entity_tag.h"

static bool is_weak(struct slice tag)
{
    return tag.length >= 2 && tag.start[0] == 'W' && tag.start[1] == '/';
}

static struct slice opaque(struct slice tag)
{
    return is_weak(tag) ? slice_after(tag, 2) : tag;
}

/* etagc: visible but for the quote, and 8-bit (RFC 9110, 8.8.3). */
bool entity_tag_is_valid(struct slice tag)
{
    struct slice quoted = opaque(tag);

    if (quoted.length < 2 || quoted.start[0] != '"' || quoted.start[quoted.length - 1] != '"')
        return false;
    for (size_t i = 1; i + 1 < quoted.length; i++) {
        unsigned char c = (unsigned char)quoted.start[i];
        if (c <= ' ' || c == '"' || c == 0x7f)
            return false;
    }
    return true;
}

bool entity_tag_equals_strongly(struct slice one, struct slice other)
{
    return !is_weak(one) && !is_weak(other) && slice_equals(one, other);
}

bool entity_tag_equals_weakly(struct slice one, struct slice other)
{
    return slice_equals(opaque(one), opaque(other));
}

/* Offset behind the element at the start: a quoted tag may have commas. */
static size_t element_end(struct slice text)
{
    size_t quote = slice_find(text, '"'), comma = slice_find(text, ',');

    if (quote >= comma)
        return comma;
    size_t close = quote + 1 + slice_find(slice_after(text, quote + 1), '"');
    if (close >= text.length)
        return comma;
    return close + slice_find(slice_after(text, close), ',');
}

static bool line_has(struct slice line, struct slice tag)
{
    while (line.length > 0) {
        size_t end = element_end(line);
        struct slice element = slice_trimmed(slice_of(line.start, end));
        if (slice_equals(element, SLICE("*")))
            return true;
        if (element.length > 0 && tag.length > 0 && entity_tag_equals_weakly(element, tag))
            return true;
        line = slice_after(line, end < line.length ? end + 1 : end);
    }
    return false;
}

bool entity_tag_is_in(const struct headers *headers, enum header_id id, struct slice tag)
{
    const struct header *header = headers_find_known(headers, id);

    for (; header != NULL; header = headers_find_next(headers, header)) {
        if (line_has(header->value, tag))
            return true;
    }
    return false;
}
