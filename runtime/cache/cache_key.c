/*
 * cache_key — parts are gathered first, then joined in one copy.
 */
#include "cache/cache_key.h"

#include <assert.h>

#include "http/cookie.h"
#include "http/uri.h"

/* Between parts: no field, no URI and no name of the configuration has it. */
#define SEPARATOR SLICE("\n")
/* Before the value of a part that is there: what is missing differs from what is empty. */
#define PRESENT SLICE("=")

#define QUERY_PAIRS_MAX 256
/* Three for each field and cookie, and what is fixed. */
#define PARTS_MAX (CACHE_POLICY_FIELDS_MAX * 3 * 2 + 16)

struct parts {
    struct slice items[PARTS_MAX];
    size_t count, bytes;
};

/* The items are not cleared: they are many. */
static void begin(struct parts *parts)
{
    parts->count = 0;
    parts->bytes = 0;
}

static void add(struct parts *parts, struct slice part)
{
    assert(parts->count < PARTS_MAX);
    parts->items[parts->count++] = part;
    parts->bytes += part.length;
}

static struct slice join(const struct parts *parts, struct arena *arena)
{
    if (parts->bytes > CACHE_KEY_BYTES_MAX)
        return SLICE_NONE;
    char *text = arena_alloc(arena, parts->bytes), *at = text;
    for (size_t i = 0; i < parts->count; i++) {
        if (parts->items[i].length > 0)
            memcpy(at, parts->items[i].start, parts->items[i].length);
        at += parts->items[i].length;
    }
    return slice_of(text, parts->bytes);
}

/* Start NULL: missing. */
static void add_extra(struct parts *parts, struct slice value)
{
    if (value.start != NULL) {
        add(parts, PRESENT);
        add(parts, value);
    }
    add(parts, SEPARATOR);
}

/* Ends with a separator; nothing at all where the URI says it all. */
static void add_extras(struct parts *parts, const struct cache_request *asked, struct arena *arena)
{
    const struct cache_policy *policy = asked->policy;
    const struct cache_context *context = &asked->context;
    const struct headers *headers = &asked->request->headers;

    if (context->upstream.length > 0 || context->path.start != NULL ||
        context->query.start != NULL) {
        add(parts, SLICE("to"));
        add_extra(parts, context->upstream);
        add_extra(parts, context->path);
        add_extra(parts, context->query);
    }
    if (policy->scope.length > 0)
        add_extra(parts, policy->scope);
    if (policy->is_key_by_consumer)
        add_extra(parts, context->consumer);
    for (size_t i = 0; i < policy->key_header_count; i++)
        add_extra(parts, headers_joined_key(headers, arena, policy->key_headers[i]));
    for (size_t i = 0; i < policy->key_cookie_count; i++)
        add_extra(parts, cookie_value(headers, policy->key_cookies[i]));
}

/* Digits of a port, in the arena. */
static struct slice port_text(uint16_t port, struct arena *arena)
{
    return arena_format(arena, ":%u", (unsigned)port);
}

static void add_origin(struct parts *parts, struct slice scheme, struct slice host, uint16_t port,
                       struct arena *arena)
{
    bool is_tls = slice_equals_ignoring_case(scheme, SLICE("https"));
    bool is_v6 = slice_find(host, ':') < host.length;

    add(parts, is_tls ? SLICE("https://") : SLICE("http://"));
    if (is_v6)
        add(parts, SLICE("["));
    add(parts, host);
    if (is_v6)
        add(parts, SLICE("]"));
    if (port != 0 && port != (is_tls ? 443 : 80))
        add(parts, port_text(port, arena));
}

/* ---- queries ---- */

struct pair {
    struct slice text, name;
};

static bool is_listed(const struct cache_policy *policy, struct slice name, struct arena *arena)
{
    struct slice decoded;

    if (!uri_decode(name, true, arena, &decoded))
        return false;
    for (size_t i = 0; i < policy->query_name_count; i++) {
        if (slice_equals(policy->query_names[i], decoded))
            return true;
    }
    return false;
}

static int compare(struct slice one, struct slice other)
{
    size_t shorter = one.length < other.length ? one.length : other.length;
    int order = shorter > 0 ? memcmp(one.start, other.start, shorter) : 0;

    return order != 0 ? order : (one.length > other.length) - (one.length < other.length);
}

/* By name alone: values of the same name stay in their order, which may mean something. */
static void insert(struct pair *pairs, size_t count, struct pair pair)
{
    size_t at = count;
    for (; at > 0 && compare(pairs[at - 1].name, pair.name) > 0; at--)
        pairs[at] = pairs[at - 1];
    pairs[at] = pair;
}

static struct slice join_pairs(const struct pair *pairs, size_t count, size_t bytes,
                               struct arena *arena)
{
    char *text = arena_alloc(arena, bytes + count), *at = text;

    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *at++ = '&';
        memcpy(at, pairs[i].text.start, pairs[i].text.length);
        at += pairs[i].text.length;
    }
    return slice_of(text, (size_t)(at - text));
}

static size_t count_pairs(struct slice query)
{
    size_t count = 1;
    for (size_t i = 0; i < query.length; i++)
        count += query.start[i] == '&';
    return count;
}

/* False: it has too many pairs. */
static bool sort_query(const struct cache_request *asked, struct arena *arena, struct slice *sorted)
{
    const struct cache_policy *policy = asked->policy;
    struct slice rest = asked->request->query;
    size_t room = count_pairs(rest), count = 0, bytes = 0;

    if (room > QUERY_PAIRS_MAX)
        return false;
    struct pair *pairs = arena_alloc(arena, room * sizeof(*pairs));
    while (rest.length > 0) {
        size_t end = slice_find(rest, '&');
        struct pair pair = {.text = slice_of(rest.start, end)};
        pair.name = slice_of(rest.start, slice_find(pair.text, '='));
        rest = slice_after(rest, end < rest.length ? end + 1 : end);
        if (pair.text.length == 0 ||
            (policy->query == CACHE_QUERY_LISTED && !is_listed(policy, pair.name, arena)))
            continue;
        insert(pairs, count++, pair);
        bytes += pair.text.length;
    }
    *sorted = join_pairs(pairs, count, bytes, arena);
    return true;
}

static bool add_query(struct parts *parts, const struct cache_request *asked, struct arena *arena)
{
    struct slice query = asked->request->query;

    if (query.start == NULL || asked->policy->query == CACHE_QUERY_NONE)
        return true;
    if (asked->policy->query != CACHE_QUERY_ALL) {
        if (!sort_query(asked, arena, &query))
            return false;
        if (query.length == 0)
            return true;
    }
    add(parts, SLICE("?"));
    add(parts, query);
    return true;
}

static bool add_uri(struct parts *parts, const struct cache_request *asked, struct arena *arena)
{
    const struct request *request = asked->request;

    add_origin(parts, request->scheme, request->host, request->port, arena);
    add(parts, request->path);
    return add_query(parts, asked, arena);
}

struct cache_key cache_key_make(const struct cache_request *asked, struct arena *arena)
{
    struct parts parts;
    struct cache_key key = {SLICE_NONE, 0};

    begin(&parts);
    add_extras(&parts, asked, arena);
    key.uri_at = parts.bytes;
    if (add_uri(&parts, asked, arena))
        key.text = join(&parts, arena);
    return key;
}

struct slice cache_key_uri(const struct cache_request *asked, struct arena *arena)
{
    struct parts parts;

    begin(&parts);
    return add_uri(&parts, asked, arena) ? join(&parts, arena) : SLICE_NONE;
}

/* ---- URIs that were written by somebody ---- */

static struct slice lowered(struct slice text, struct arena *arena)
{
    char *lower = arena_alloc(arena, text.length);
    for (size_t i = 0; i < text.length; i++)
        lower[i] = slice_lower(text.start[i]);
    /* A dot may end a name (RFC 3986, 3.2.2); requests are without it, too. */
    bool has_dot = text.length > 1 && lower[text.length - 1] == '.';
    return slice_of(lower, text.length - (has_dot ? 1 : 0));
}

struct slice cache_key_of_uri(struct slice text, struct arena *arena)
{
    struct parts parts;
    struct uri uri;
    struct uri_authority authority;
    struct slice path;

    begin(&parts);
    if (!uri_parse(text, &uri) || uri.form != URI_ABSOLUTE ||
        !uri_parse_authority(uri.authority, &authority) ||
        !uri_normalise_path(uri.path, arena, &path))
        return SLICE_NONE;
    if (!slice_equals_ignoring_case(uri.scheme, SLICE("http")) &&
        !slice_equals_ignoring_case(uri.scheme, SLICE("https")))
        return SLICE_NONE;
    add_origin(&parts, uri.scheme, lowered(authority.host, arena), authority.port, arena);
    add(&parts, path);
    if (uri.query.start != NULL) {
        add(&parts, SLICE("?"));
        add(&parts, uri.query);
    }
    return join(&parts, arena);
}

/* Letters, digits, "+-." up to a colon (RFC 3986, 3.1). */
static bool has_scheme(struct slice reference)
{
    for (size_t i = 0; i < reference.length; i++) {
        char c = reference.start[i];
        bool is_letter = slice_lower(c) >= 'a' && slice_lower(c) <= 'z';
        if (c == ':')
            return i > 0;
        if (!is_letter && (i == 0 || !strchr("0123456789+-.", c) || c == '\0'))
            return false;
    }
    return false;
}

/* The request's path up to its last slash. */
static struct slice folder_of(struct slice path)
{
    while (path.length > 0 && path.start[path.length - 1] != '/')
        path.length--;
    return path;
}

struct slice cache_key_of_reference(const struct cache_request *asked, struct slice reference,
                                    struct arena *arena)
{
    const struct request *request = asked->request;
    struct parts parts;

    begin(&parts);
    reference = slice_trimmed(reference);
    reference.length = slice_find(reference, '#');
    if (has_scheme(reference))
        return cache_key_of_uri(reference, arena);
    if (slice_starts_with(reference, SLICE("//"))) {
        add(&parts, request->scheme);
        add(&parts, SLICE(":"));
    } else {
        add_origin(&parts, request->scheme, request->host, request->port, arena);
        if (reference.length == 0 || reference.start[0] == '?')
            add(&parts, request->path);
        else if (reference.start[0] != '/')
            add(&parts, folder_of(request->path));
    }
    if (reference.length == 0)
        return cache_key_uri(asked, arena);
    add(&parts, reference);
    struct slice uri = join(&parts, arena);
    return uri.start != NULL ? cache_key_of_uri(uri, arena) : SLICE_NONE;
}

struct slice cache_key_origin(struct slice uri)
{
    size_t scheme = slice_find(uri, ':');
    size_t from = scheme + 3 < uri.length ? scheme + 3 : uri.length;

    return slice_of(uri.start, from + slice_find(slice_after(uri, from), '/'));
}

struct slice cache_key_uri_tag(struct slice uri, struct arena *arena)
{
    return arena_join(arena, SEPARATOR, uri);
}
