/*
 * stored_fields — lists of names, and what RFC 9111 has in words.
 */
#include "cache/stored_fields.h"

/* Written for each answer anew, or true for the one that brought it alone. */
#define LEFT_OUT                                                        \
    (HEADERS_BIT(HEADER_AGE) | HEADERS_BIT(HEADER_PROXY_AUTHENTICATE) | \
     HEADERS_BIT(HEADER_PROXY_AUTHORIZATION) | HEADERS_BIT(HEADER_CACHE_STATUS))

/* What the stored body is, which a 304 cannot change. */
#define NOT_UPDATED                                                              \
    (HEADERS_BIT(HEADER_CONTENT_LENGTH) | HEADERS_BIT(HEADER_CONTENT_ENCODING) | \
     HEADERS_BIT(HEADER_CONTENT_RANGE) | HEADERS_BIT(HEADER_ETAG))

void stored_fields_read(struct stored_fields *fields, const struct cache_policy *policy,
                        const struct cache_control *control, const struct headers *headers,
                        struct arena *arena)
{
    *fields = (struct stored_fields){
        .policy = policy,
        .no_cache = control->no_cache_names,
        .private = control->private_names,
        .nominated = headers_joined(headers, arena, SLICE("connection")),
    };
}

static bool is_in(struct slice list, struct slice name)
{
    return list.start != NULL && slice_list_has(list, name);
}

static bool is_named(struct slice name, struct header_key key)
{
    return key.name.start != NULL && slice_equals_ignoring_case(name, key.name);
}

static bool is_cookie(const struct header *header)
{
    return header->id == HEADER_SET_COOKIE ||
           slice_equals_ignoring_case(header->name, SLICE("set-cookie2"));
}

static bool is_of_connection(const struct stored_fields *fields, const struct header *header)
{
    return (header_flags_of(header->id) & (HEADER_HOP_BY_HOP | HEADER_FRAMING)) != 0 ||
           (is_in(fields->nominated, header->name) &&
            (header_flags_of(header->id) & HEADER_END_TO_END) == 0);
}

bool stored_fields_has(const struct stored_fields *fields, const struct header *header)
{
    const struct cache_policy *policy = fields->policy;

    if ((LEFT_OUT & HEADERS_BIT(header->id)) != 0 || is_of_connection(fields, header))
        return false;
    if (policy->set_cookie == CACHE_SET_COOKIE_STRIP && is_cookie(header))
        return false;
    if (header->id == HEADER_OTHER &&
        slice_equals_ignoring_case(header->name, SLICE("proxy-authentication-info")))
        return false;
    if (policy->is_tags_hidden && is_named(header->name, policy->tags))
        return false;
    return !is_in(fields->no_cache, header->name) && !is_in(fields->private, header->name);
}

bool stored_fields_is_updated(const struct header *header)
{
    if (header->id == HEADER_OTHER)
        return !slice_equals_ignoring_case(header->name, SLICE("content-md5"));
    return (NOT_UPDATED & HEADERS_BIT(header->id)) == 0;
}
