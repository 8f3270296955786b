/*
 * export_lookup — query parameters, cookies and captured path segments for Lua.
 */
#include "bridge/decision.h"
#include "bridge/exports.h"
#include "http/uri.h"

/* Where a walk over cookies stands: the field's number above, the offset in it below. */
#define COOKIE_OFFSET_BITS 24
#define COOKIE_OFFSET_MASK ((1u << COOKIE_OFFSET_BITS) - 1)

static struct slice query_of(const struct exchange *exchange)
{
    if (exchange->forward_query.start != NULL)
        return exchange->forward_query;
    return exchange->request != NULL ? exchange->request->query : SLICE_NONE;
}

/* Decoded; as it is where it is not well escaped. */
static struct slice decoded(struct exchange *exchange, struct slice raw, bool plus_is_space)
{
    struct slice text;
    return uri_decode(raw, plus_is_space, &exchange->arena, &text) ? text : raw;
}

/* Takes the next "name=value" off `*rest`; false when there is none. */
static bool next_pair(struct slice *rest, char separator, struct slice pair[2])
{
    while (rest->length > 0) {
        struct slice one = slice_of(rest->start, slice_find(*rest, separator));
        *rest = slice_after(*rest, one.length < rest->length ? one.length + 1 : one.length);
        size_t equals = slice_find(one, '=');
        pair[0] = slice_of(one.start, equals);
        pair[1] = slice_after(one, equals < one.length ? equals + 1 : equals);
        if (one.length > 0)
            return true;
    }
    return false;
}

bool moon_query_get(struct exchange *exchange, const char *name, size_t name_length,
                    struct slice *value)
{
    struct slice query = query_of(exchange);
    if (query.start == NULL)
        return false;
    struct slice raw = uri_query_value(query, exports_slice(name, name_length), &exchange->arena);
    if (raw.start == NULL)
        return false;
    *value = decoded(exchange, raw, true);
    return true;
}

bool moon_query_next(struct exchange *exchange, uint32_t *at, struct slice *pair)
{
    struct slice query = query_of(exchange);
    struct slice rest = *at < query.length ? slice_after(query, *at) : SLICE("");

    if (!next_pair(&rest, '&', pair))
        return false;
    *at = (uint32_t)(query.length - rest.length);
    pair[0] = decoded(exchange, pair[0], true);
    pair[1] = decoded(exchange, pair[1], true);
    return true;
}

static void append(char *text, size_t *length, struct slice piece)
{
    if (piece.length > 0)
        memcpy(text + *length, piece.start, piece.length);
    *length += piece.length;
}

static void append_pair(char *text, size_t *length, struct slice name, struct slice value)
{
    if (*length > 0)
        append(text, length, SLICE("&"));
    append(text, length, name);
    append(text, length, SLICE("="));
    append(text, length, value);
}

void moon_query_set(struct exchange *exchange, const char *name, size_t name_length,
                    const char *value, size_t value_length)
{
    struct arena *arena = &exchange->arena;
    struct slice wanted = exports_slice(name, name_length), rest = query_of(exchange), pair[2];
    struct slice escaped_name = uri_encode(wanted, "", arena);
    struct slice escaped = uri_encode(exports_slice(value, value_length), "", arena);
    /* Each pair that stays may get a '=' it did not have. */
    char *text = arena_alloc(arena, 2 * rest.length + escaped_name.length + escaped.length + 2);
    size_t length = 0;
    bool is_done = value == NULL;

    while (next_pair(&rest, '&', pair)) {
        bool is_wanted = slice_equals(decoded(exchange, pair[0], true), wanted);
        if (!is_wanted)
            append_pair(text, &length, pair[0], pair[1]);
        else if (!is_done)
            append_pair(text, &length, escaped_name, escaped);
        is_done = is_done || is_wanted;
    }
    if (!is_done)
        append_pair(text, &length, escaped_name, escaped);
    exchange->forward_query = slice_of(text, length);
}

static struct slice unquoted(struct slice value)
{
    value = slice_trimmed(value);
    if (value.length >= 2 && value.start[0] == '"' && value.start[value.length - 1] == '"')
        return slice_of(value.start + 1, value.length - 2);
    return value;
}

bool moon_cookie_next(struct exchange *exchange, uint32_t *at, struct slice *pair)
{
    if (exchange->request == NULL)
        return false;
    uint32_t field = *at >> COOKIE_OFFSET_BITS, number = 0, offset = *at & COOKIE_OFFSET_MASK;
    const struct headers *headers = &exchange->request->headers;

    for (const struct header *header = headers_find_known(headers, HEADER_COOKIE); header != NULL;
         header = headers_find_next(headers, header), number++) {
        if (number < field)
            continue;
        struct slice rest = slice_after(header->value, number == field ? offset : 0);
        if (header->value.length >= COOKIE_OFFSET_MASK || !next_pair(&rest, ';', pair))
            continue;
        *at = number << COOKIE_OFFSET_BITS | (uint32_t)(header->value.length - rest.length);
        pair[0] = slice_trimmed(pair[0]);
        pair[1] = unquoted(pair[1]);
        return true;
    }
    return false;
}

bool moon_cookie_get(struct exchange *exchange, const char *name, size_t name_length,
                     struct slice *value)
{
    struct slice pair[2], wanted = exports_slice(name, name_length);
    uint32_t at = 0;

    while (moon_cookie_next(exchange, &at, pair)) {
        if (slice_equals(pair[0], wanted)) {
            *value = pair[1];
            return true;
        }
    }
    return false;
}

/* Of the route it goes by, or of the candidate whose `when` is being asked. */
static const struct generation_route *matched_route(const struct exchange *exchange)
{
    const struct decision *decision = exchange->task;
    bool has_candidate = decision != NULL && decision->outcome == ROUTE_FOUND;
    bool is_departed = exchange->route != NULL && exchange->route->index == ROUTE_DEPARTED;
    if (is_departed || (exchange->route == NULL && !has_candidate))
        return NULL;
    return &exchange->generation->routes[exchange->match.route];
}

bool moon_param_next(struct exchange *exchange, uint32_t *at, struct slice *pair)
{
    const struct generation_route *route = matched_route(exchange);
    if (route == NULL || *at >= route->capture_count || *at >= exchange->match.capture_count)
        return false;
    pair[0] = route->captures[*at];
    pair[1] = decoded(exchange, exchange->match.captures[*at].value, false);
    (*at)++;
    return true;
}

bool moon_param_get(struct exchange *exchange, const char *name, size_t name_length,
                    struct slice *value)
{
    struct slice pair[2], wanted = exports_slice(name, name_length);
    uint32_t at = 0;

    while (moon_param_next(exchange, &at, pair)) {
        if (slice_equals(pair[0], wanted)) {
            *value = pair[1];
            return true;
        }
    }
    return false;
}
