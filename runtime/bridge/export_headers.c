/*
 * export_headers — the header fields of a request and its response for Lua, which may not frame
 * messages with them.
 */
#include "bridge/exports.h"

#include <assert.h>

enum { OF_REQUEST, OF_RESPONSE };

/* NULL when there is no such message. */
static struct headers *headers_of(struct exchange *exchange, int of)
{
    if (of == OF_REQUEST)
        return exchange->request != NULL ? &exchange->request->headers : NULL;
    return exchange->response != NULL ? &exchange->response->headers : NULL;
}

static enum moon_field check(struct slice name, struct slice value)
{
    if (!headers_is_name(name))
        return MOON_FIELD_BAD_NAME;
    if (!headers_is_value(value))
        return MOON_FIELD_BAD_VALUE;
    unsigned flags = header_flags_of(header_id_of(name));
    return (flags & (HEADER_FRAMING | HEADER_HOP_BY_HOP)) != 0 ? MOON_FIELD_OURS : MOON_FIELD_OK;
}

int moon_field_check(const char *name, size_t name_length, const char *value, size_t value_length)
{
    return check(exports_slice(name, name_length), exports_slice(value, value_length));
}

/* NOLINTBEGIN(readability-function-size): scalars, as the FFI does not compile structs by value. */

bool moon_header_get(struct exchange *exchange, int of, const char *name, size_t name_length,
                     struct slice *value)
{
    const struct headers *headers = headers_of(exchange, of);
    if (headers == NULL)
        return false;
    *value = headers_joined(headers, &exchange->arena, exports_slice(name, name_length));
    return value->start != NULL;
}

int moon_header_set(struct exchange *exchange, int of, const char *name, size_t name_length,
                    const char *value, size_t value_length)
{
    struct headers *headers = headers_of(exchange, of);
    struct slice field = exports_slice(name, name_length),
                 text = exports_slice(value, value_length);
    enum moon_field outcome = headers == NULL ? MOON_FIELD_NO_MESSAGE : check(field, text);

    if (outcome != MOON_FIELD_OK)
        return (int)outcome;
    field = arena_copy(&exchange->arena, field);
    text = arena_copy(&exchange->arena, text);
    return headers_set(headers, &exchange->arena, field, text) ? MOON_FIELD_OK : MOON_FIELD_FULL;
}

int moon_header_add(struct exchange *exchange, int of, const char *name, size_t name_length,
                    const char *value, size_t value_length)
{
    struct headers *headers = headers_of(exchange, of);
    struct slice field = exports_slice(name, name_length),
                 text = exports_slice(value, value_length);
    enum moon_field outcome = headers == NULL ? MOON_FIELD_NO_MESSAGE : check(field, text);

    if (outcome != MOON_FIELD_OK)
        return (int)outcome;
    field = arena_copy(&exchange->arena, field);
    text = arena_copy(&exchange->arena, text);
    return headers_add(headers, &exchange->arena, field, text) ? MOON_FIELD_OK : MOON_FIELD_FULL;
}

bool moon_header_next(struct exchange *exchange, int of, const char *name, size_t name_length,
                      uint32_t *at, struct slice *pair)
{
    const struct headers *headers = headers_of(exchange, of);
    struct slice wanted = exports_slice(name, name_length);
    const struct header *header = NULL;

    while (headers != NULL && (header = headers_next(headers, at)) != NULL) {
        if (wanted.length > 0 && !slice_equals_ignoring_case(header->name, wanted))
            continue;
        pair[0] = header->name;
        pair[1] = header->value;
        return true;
    }
    return false;
}

/* NOLINTEND(readability-function-size) */

int moon_header_remove(struct exchange *exchange, int of, const char *name, size_t name_length)
{
    struct headers *headers = headers_of(exchange, of);
    struct slice field = exports_slice(name, name_length);

    /* The codec frames: what is called framing here has no effect, so removing it has none. */
    if (headers == NULL || (header_flags_of(header_id_of(field)) & HEADER_FRAMING) != 0)
        return 0;
    return (int)headers_remove(headers, field);
}

int moon_header_remove_prefix(struct exchange *exchange, int of, const char *prefix, size_t length)
{
    struct headers *headers = headers_of(exchange, of);
    return headers == NULL ? 0 : (int)headers_remove_prefix(headers, exports_slice(prefix, length));
}
