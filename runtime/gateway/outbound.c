/*
 * outbound — the request as it goes upstream: a proxy's duties on its head (RFC 9110, 7.6).
 *
 * Works on a copy, so that policies and logs go on seeing what the client sent.
 */
#include "gateway/outbound.h"

#include <assert.h>
#include <stdio.h>

#include "base/put.h"
#include "gateway/exchange_private.h"
#include "gateway/gateway.h"
#include "gateway/trace_context.h"
#include "gateway/trusted_proxy.h"

/*
 * A request that names us this often in Via goes in circles. More than once is legal: one gateway
 * may stand before another of the same name, or before itself.
 */
#define LOOPS_MAX 8

static const struct gateway_options *options_of(const struct exchange *exchange)
{
    return gateway_options(exchange->gateway);
}

/* "1.1 name" or "HTTP/1.1 name (comment)". */
static bool via_names(struct slice element, struct slice name)
{
    size_t space = slice_find(element, ' ');
    if (space == element.length)
        return false;
    struct slice by = slice_trimmed(slice_after(element, space));
    by.length = slice_find(by, ' ');
    return slice_equals_ignoring_case(by, name);
}

static OUT_OF_LINE unsigned times_in_via(const struct exchange *exchange, const struct header *via)
{
    const struct headers *headers = &exchange->request->headers;
    unsigned times = 0;

    for (; via != NULL; via = headers_find_next(headers, via)) {
        struct slice rest = via->value, element;
        while (slice_next_element(&rest, &element))
            times += via_names(element, options_of(exchange)->via);
    }
    return times;
}

enum fault outbound_inspect(struct exchange *exchange)
{
    const struct headers *headers = &exchange->request->headers;
    const struct header *trace = headers_find_known(headers, HEADER_TRACEPARENT);
    const struct header *via = headers_find_known(headers, HEADER_VIA);

    exchange->client_host =
        trusted_proxy_client(options_of(exchange), exchange->connection, headers, &exchange->arena);
    if (trace != NULL)
        exchange->trace_id = trace_context_id(trace->value);
    if (via != NULL && times_in_via(exchange, via) >= LOOPS_MAX)
        return FAULT_LOOP_DETECTED;
    return exchange->request->method == METHOD_TRACE ? FAULT_METHOD_NOT_ALLOWED : FAULT_NONE;
}

bool outbound_ends_here(const struct exchange *exchange)
{
    const struct request *request = exchange->request;
    const struct header *field = headers_find_known(&request->headers, HEADER_MAX_FORWARDS);
    uint64_t left;

    return request->method == METHOD_OPTIONS && field != NULL &&
           slice_to_uint64(field->value, &left) && left == 0;
}

/*
 * What we say ourselves, and nobody who is not trusted: not copied, so it need not be looked for.
 * Via is added to, whoever wrote it.
 */
static uint64_t fields_of_ours(const struct exchange *exchange)
{
    uint64_t always = HEADERS_BIT(HEADER_X_REAL_IP);

    if (exchange->connection->is_trusted)
        return always;
    return always | HEADERS_BIT(HEADER_X_FORWARDED_FOR) | HEADERS_BIT(HEADER_X_FORWARDED_PROTO) |
           HEADERS_BIT(HEADER_X_FORWARDED_HOST) | HEADERS_BIT(HEADER_X_FORWARDED_PORT) |
           HEADERS_BIT(HEADER_FORWARDED);
}

/* What we add: lines that stand one after the other, so that they are written in one piece. */
struct own_lines {
    struct exchange *exchange;
    struct headers *headers;
    char *next; /* in room for all of them */
};

#define OWN_NAMES_BYTES                                                         \
    sizeof("x-forwarded-for: \r\nx-forwarded-proto: \r\nx-forwarded-host: \r\n" \
           "x-real-ip: \r\nforwarded: \r\nvia: 1.1 \r\n")

/* `start` is a literal: the name, ": " and what the value begins with. */
static inline void add_line(struct own_lines *lines, enum header_id id, struct slice start,
                            struct slice rest)
{
    struct slice name = slice_of(lines->next, header_name_of(id).length);
    const char *value = name.start + name.length + sizeof(": ") - 1;
    char *end = put(put(lines->next, start), rest);

    lines->next = put(end, SLICE("\r\n"));
    headers_add_field(lines->headers, &lines->exchange->arena,
                      &(struct header){.name = name,
                                       .value = slice_of(value, (size_t)(end - value)),
                                       .id = id,
                                       .is_line = true});
}

static inline bool is_trusted(const struct own_lines *lines)
{
    return lines->exchange->connection->is_trusted;
}

/* Behind what a trusted proxy said; false when that was nothing. */
static OUT_OF_LINE bool append_to_trusted(struct own_lines *lines, enum header_id id,
                                          struct slice value)
{
    struct arena *arena = &lines->exchange->arena;
    struct slice before = headers_joined(lines->headers, arena, header_name_of(id));

    if (before.start == NULL)
        return false;
    if (before.length > 0)
        value = arena_format(arena, "%.*s, %.*s", SLICE_FORMAT(before), SLICE_FORMAT(value));
    headers_set_known(lines->headers, arena, id, value);
    return true;
}

/* What the first proxy said stands. */
static inline bool is_said(const struct own_lines *lines, enum header_id id)
{
    return is_trusted(lines) && headers_find_known(lines->headers, id) != NULL;
}

/* RFC 7239: an IPv6 address is quoted and bracketed. */
static OUT_OF_LINE struct slice forwarded_element(struct exchange *exchange, struct slice peer)
{
    const struct request *request = exchange->request;
    bool is_v6 = slice_find(peer, ':') < peer.length;
    const char *open = is_v6 ? "\"[" : "", *close = is_v6 ? "]\"" : "";

    if (slice_equals(peer, SLICE("unix")))
        peer = SLICE("unknown");
    return arena_format(&exchange->arena, "for=%s%.*s%s;host=\"%.*s\";proto=%.*s", open,
                        SLICE_FORMAT(peer), close, SLICE_FORMAT(request->authority),
                        SLICE_FORMAT(request->scheme));
}

static void add_forwarded(struct own_lines *lines, struct slice peer, struct slice element)
{
    const struct exchange *exchange = lines->exchange;
    const struct request *request = exchange->request;

    if (!is_trusted(lines) || !append_to_trusted(lines, HEADER_X_FORWARDED_FOR, peer))
        add_line(lines, HEADER_X_FORWARDED_FOR, SLICE("x-forwarded-for: "), peer);
    if (!is_said(lines, HEADER_X_FORWARDED_PROTO))
        add_line(lines, HEADER_X_FORWARDED_PROTO, SLICE("x-forwarded-proto: "), request->scheme);
    if (request->authority.length > 0 && !is_said(lines, HEADER_X_FORWARDED_HOST))
        add_line(lines, HEADER_X_FORWARDED_HOST, SLICE("x-forwarded-host: "), request->authority);
    add_line(lines, HEADER_X_REAL_IP, SLICE("x-real-ip: "), exchange->client_host);
    if (element.length == 0)
        return;
    if (!is_trusted(lines) || !append_to_trusted(lines, HEADER_FORWARDED, element))
        add_line(lines, HEADER_FORWARDED, SLICE("forwarded: "), element);
}

static OUT_OF_LINE void append_to_via(struct own_lines *lines, struct slice name, bool is_old)
{
    struct arena *arena = &lines->exchange->arena;
    struct slice before = headers_joined(lines->headers, arena, header_name_of(HEADER_VIA));
    headers_set_known(lines->headers, arena, HEADER_VIA,
                      arena_format(arena, "%.*s%s%s %.*s", SLICE_FORMAT(before),
                                   before.length > 0 ? ", " : "", is_old ? "1.0" : "1.1",
                                   SLICE_FORMAT(name)));
}

static void add_via(struct own_lines *lines)
{
    const struct exchange *exchange = lines->exchange;
    struct slice name = options_of(exchange)->via;
    bool is_old = exchange->request->minor_version == 0;

    if (headers_find_known(lines->headers, HEADER_VIA) == NULL)
        add_line(lines, HEADER_VIA, is_old ? SLICE("via: 1.0 ") : SLICE("via: 1.1 "), name);
    else
        append_to_via(lines, name, is_old);
}

static void add_own(struct exchange *exchange, struct headers *headers)
{
    const struct request *request = exchange->request;
    const struct gateway_options *options = options_of(exchange);
    struct slice peer = downstream_client(exchange->connection);
    struct slice element = options->adds_forwarded ? forwarded_element(exchange, peer) : SLICE("");
    size_t room = OWN_NAMES_BYTES + peer.length + request->scheme.length +
                  request->authority.length + exchange->client_host.length + element.length +
                  options->via.length;
    struct own_lines lines = {exchange, headers, arena_alloc(&exchange->arena, room)};

    add_forwarded(&lines, peer, element);
    add_via(&lines);
}

/* For TRACE and OPTIONS (RFC 9110, 7.6.2); 0 is answered before. */
static OUT_OF_LINE void decrement_max_forwards(struct exchange *exchange, struct headers *headers)
{
    const struct header *field = headers_find_known(headers, HEADER_MAX_FORWARDS);
    uint64_t left;

    if (field == NULL)
        return;
    if (slice_to_uint64(field->value, &left) && left > 0)
        headers_set_known(headers, &exchange->arena, HEADER_MAX_FORWARDS,
                          arena_format(&exchange->arena, "%llu", (unsigned long long)(left - 1)));
}

struct slice outbound_path(struct exchange *exchange)
{
    const struct route *route = exchange->route;

    if (exchange->forward_path.start != NULL)
        return exchange->forward_path;
    if (route != NULL && route->rewrite != NULL)
        return path_template_render(route->rewrite, exchange->match.captures, &exchange->arena);
    return exchange->request->path;
}

static void set_target(struct exchange *exchange, struct request *outbound)
{
    outbound->path = outbound_path(exchange);
    if (exchange->forward_query.start != NULL)
        outbound->query = exchange->forward_query.length > 0 ? exchange->forward_query : SLICE_NONE;
}

struct slice outbound_host(const struct exchange *exchange)
{
    const struct route *route = exchange->route;
    const struct header *host = headers_find_known(&exchange->request->headers, HEADER_HOST);

    if (route != NULL && route->upstream_host != NULL)
        return *route->upstream_host;
    if (host != NULL && host->value.length > 0)
        return host->value;
    if (exchange->request->authority.length > 0)
        return exchange->request->authority;
    return exchange->cluster != NULL ? cluster_name(exchange->cluster) : SLICE_NONE;
}

/* The client's own line stands where it says the same, and there is no other one. */
static void set_host(struct exchange *exchange, struct headers *headers)
{
    struct slice host = outbound_host(exchange);
    const struct header *first = headers_find_known(headers, HEADER_HOST);
    bool stands = first != NULL && first->value.start == host.start &&
                  first->value.length == host.length && headers_find_next(headers, first) == NULL;

    if (!stands)
        headers_set_known(headers, &exchange->arena, HEADER_HOST, host);
}

struct request *outbound_request(struct exchange *exchange)
{
    struct arena *arena = &exchange->arena;
    const struct request *request = exchange->request;
    const struct route *route = exchange->route;
    struct request *outbound = arena_alloc(arena, sizeof(*outbound));

    *outbound = *request;
    headers_copy_without(&outbound->headers, &request->headers, arena, fields_of_ours(exchange));
    struct headers *headers = &outbound->headers;
    if (route != NULL && route->deadline != NULL && !route->deadline->is_report_only)
        headers_remove_key(headers, route->deadline->field.key); /* each attempt has one anew */
    set_target(exchange, outbound);
    set_host(exchange, headers);
    add_own(exchange, headers);
    if (request->method == METHOD_OPTIONS)
        decrement_max_forwards(exchange, headers);
    if (route == NULL || !route->allows_upgrade)
        outbound->upgrade = SLICE_NONE;
    if (exchange->private.has_request_body) {
        outbound->body = BODY_LENGTH;
        outbound->content_length = exchange->private.request_body.length;
        outbound->expects_continue = false;
        headers_remove_known(headers, HEADER_EXPECT);
        if (!exchange->private.request_complete) /* its rest would be the tunnel's first bytes */
            outbound->upgrade = SLICE_NONE;
    }
    return outbound;
}
