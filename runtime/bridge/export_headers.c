/*
 * export_headers — the header fields of a request and its response for Lua, which may not frame
 * messages with them.
 */
#include "bridge/exports.h"

enum { OF_REQUEST, OF_RESPONSE };

/* NULL when there is no such message. */
static struct headers *headers_of(struct exchange *exchange, int of)
{
    if (of == OF_REQUEST)
        return exchange->request != NULL ? &exchange->request->headers : NULL;
    return exchange->response != NULL ? &exchange->response->headers : NULL;
}

static enum moon_field check_value(enum header_id id, struct slice value)
{
    if (!headers_is_value(value))
        return MOON_FIELD_BAD_VALUE;
    unsigned flags = header_flags_of(id);
    return (flags & (HEADER_FRAMING | HEADER_HOP_BY_HOP)) != 0 ? MOON_FIELD_OURS : MOON_FIELD_OK;
}

int moon_field_check(const char *name, size_t name_length, const char *value, size_t value_length)
{
    int id = moon_field_id(name, name_length);
    if (id < 0)
        return MOON_FIELD_BAD_NAME;
    return (int)check_value((enum header_id)id, exports_slice(value, value_length));
}

int moon_field_id(const char *name, size_t name_length)
{
    struct slice field = exports_slice(name, name_length);
    return headers_is_name(field) ? (int)header_id_of(field) : -1;
}

/* NOLINTBEGIN(readability-function-size): scalars, as the FFI does not compile structs by value. */

bool moon_header_get(struct exchange *exchange, int of, int id, const char *name,
                     size_t name_length, struct slice *value)
{
    const struct headers *headers = headers_of(exchange, of);
    if (headers == NULL || id < 0)
        return false;
    struct header_key key = {exports_slice(name, name_length), (enum header_id)id};
    *value = headers_joined_key(headers, &exchange->arena, key);
    return value->start != NULL;
}

/* The field, copied, as Lua's texts go when they like; its fault instead. */
static enum moon_field take_field(struct exchange *exchange, int of, int id, struct header *field)
{
    if (headers_of(exchange, of) == NULL)
        return MOON_FIELD_NO_MESSAGE;
    if (id < 0)
        return MOON_FIELD_BAD_NAME;
    field->id = (enum header_id)id;
    enum moon_field outcome = check_value(field->id, field->value);
    if (outcome != MOON_FIELD_OK)
        return outcome;
    field->name = arena_copy(&exchange->arena, field->name);
    field->value = arena_copy(&exchange->arena, field->value);
    return MOON_FIELD_OK;
}

int moon_header_set(struct exchange *exchange, int of, int id, const char *name, size_t name_length,
                    const char *value, size_t value_length)
{
    struct header field = {.name = exports_slice(name, name_length),
                           .value = exports_slice(value, value_length)};
    enum moon_field outcome = take_field(exchange, of, id, &field);

    if (outcome == MOON_FIELD_OK &&
        !headers_set_field(headers_of(exchange, of), &exchange->arena, &field))
        return MOON_FIELD_FULL;
    return (int)outcome;
}

int moon_header_add(struct exchange *exchange, int of, int id, const char *name, size_t name_length,
                    const char *value, size_t value_length)
{
    struct header field = {.name = exports_slice(name, name_length),
                           .value = exports_slice(value, value_length)};
    enum moon_field outcome = take_field(exchange, of, id, &field);

    if (outcome == MOON_FIELD_OK &&
        !headers_add_field(headers_of(exchange, of), &exchange->arena, &field))
        return MOON_FIELD_FULL;
    return (int)outcome;
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

int moon_header_remove(struct exchange *exchange, int of, int id, const char *name,
                       size_t name_length)
{
    struct headers *headers = headers_of(exchange, of);
    struct header_key key = {exports_slice(name, name_length), (enum header_id)id};

    /* The codec frames: what is called framing here has no effect, so removing it has none. */
    if (headers == NULL || id < 0 || (header_flags_of(key.id) & HEADER_FRAMING) != 0)
        return 0;
    return (int)headers_remove_key(headers, key);
}

int moon_header_remove_prefix(struct exchange *exchange, int of, const char *prefix, size_t length)
{
    struct headers *headers = headers_of(exchange, of);
    return headers == NULL ? 0 : (int)headers_remove_prefix(headers, exports_slice(prefix, length));
}

int moon_header_remove_alike(struct exchange *exchange, int of, const char *name, size_t length)
{
    struct headers *headers = headers_of(exchange, of);
    return headers == NULL ? 0 : (int)headers_remove_alike(headers, exports_slice(name, length));
}
