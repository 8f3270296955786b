/*
 * cache_tags — a walk over runs of bytes between blanks and commas.
 */
#include "cache/cache_tags.h"

static bool is_separator(char c)
{
    return c == ',' || slice_is_blank(c);
}

bool cache_tags_next(struct slice *rest, struct slice *tag)
{
    while (rest->length > 0) {
        size_t length = 0;
        while (length < rest->length && !is_separator(rest->start[length]))
            length++;
        *tag = slice_of(rest->start, length);
        *rest = slice_after(*rest, length < rest->length ? length + 1 : length);
        if (length > 0 && length <= CACHE_TAG_BYTES_MAX)
            return true;
    }
    return false;
}
