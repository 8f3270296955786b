/*
 * cookie — a walk over pairs, in all lines of the field.
 */
#include "http/cookie.h"

struct slice cookie_value(const struct headers *headers, struct slice name)
{
    const struct header *header = headers_find_known(headers, HEADER_COOKIE);

    for (; header != NULL; header = headers_find_next(headers, header)) {
        struct slice rest = header->value;
        while (rest.length > 0) {
            size_t end = slice_find(rest, ';');
            struct slice pair = slice_trimmed(slice_of(rest.start, end));
            size_t equals = slice_find(pair, '=');
            if (slice_equals(slice_trimmed(slice_of(pair.start, equals)), name))
                return slice_trimmed(slice_after(pair, equals < pair.length ? equals + 1 : equals));
            rest = slice_after(rest, end < rest.length ? end + 1 : end);
        }
    }
    return SLICE_NONE;
}
