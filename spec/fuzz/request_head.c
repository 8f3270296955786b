/*
 * request_head — fuzzes the way of a request's head: scanner, http-parser, rules, writer.
 *
 * However the bytes are cut, the verdict is the same; what passes keeps the promises of
 * message.h; and what the writer makes of it passes again, as the same request.
 */
#include <assert.h>

#include "http/h1_head.h"
#include "http/h1_scanner.h"
#include "http/h1_writer.h"
#include "http/uri.h"
#include "torn_head.h"
#include "whole_head.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define INPUT_BYTES_MAX   1024
#define WRITTEN_BYTES_MAX 65536

static const struct h1_scanner_limits LIMITS = {.head_bytes_max = 900, .target_bytes_max = 200};
static const struct h1_scanner_limits WIDE = {.head_bytes_max = WRITTEN_BYTES_MAX,
                                              .target_bytes_max = WRITTEN_BYTES_MAX};

static void check_path(const struct request *request, struct arena *arena)
{
    struct slice again;
    if (request->method == METHOD_CONNECT || slice_equals(request->path, SLICE("*")))
        return;
    assert(uri_normalise_path(request->path, arena, &again));
    assert(slice_equals(again, request->path));
}

static void check_promises(const struct request *request, struct arena *arena)
{
    struct uri_authority parts;
    uint32_t at = 0;

    assert(method_of(request->method_name) == request->method);
    assert(request->minor_version <= 1);
    assert((request->body == BODY_LENGTH) == (request->content_length != MESSAGE_LENGTH_UNKNOWN));
    assert(request->authority.length == 0 || uri_parse_authority(request->authority, &parts));
    assert(request->authority.length > 0 || request->minor_version == 0);
    for (size_t i = 0; i < request->host.length; i++)
        assert(slice_lower(request->host.start[i]) == request->host.start[i]);
    for (const struct header *h; (h = headers_next(&request->headers, &at)) != NULL;)
        assert(headers_is_name(h->name) && headers_is_value(h->value));
    check_path(request, arena);
}

static void check_same(const struct request *one, const struct request *other)
{
    assert(slice_equals(one->method_name, other->method_name));
    assert(slice_equals(one->path, other->path));
    assert((one->query.start == NULL) == (other->query.start == NULL));
    assert(slice_equals(one->query, other->query));
    assert(slice_equals(one->host, other->host) && one->port == other->port);
    assert(one->body == other->body && one->content_length == other->content_length);
    assert(slice_equals(one->upgrade, other->upgrade));
    assert(one->accepts_trailers == other->accepts_trailers);
}

/* Without Host (1.0) there is nothing to write that 1.1 would take. */
static void check_written(struct request *request, struct arena *arena)
{
    struct buffer out;
    struct h1_scanner scanner;
    struct request again;
    struct h1_connection_terms terms;
    const struct h1_head_reader reader = {.arena = arena};

    if (headers_find_known(&request->headers, HEADER_HOST) == NULL)
        return;
    if (request->minor_version == 0)
        headers_remove_known(&request->headers, HEADER_EXPECT);
    headers_remove_hop_by_hop(&request->headers);
    buffer_init(&out, WRITTEN_BYTES_MAX, NULL);
    assert(h1_writer_request(&out, request, H1_WRITER_CLOSE));
    h1_scanner_init(&scanner, false, &WIDE);
    assert(h1_scanner_scan(&scanner, buffer_slice(&out)) == H1_SCAN_DONE);
    assert(scanner.offset == buffer_length(&out));
    assert(h1_head_parse_request(buffer_slice(&out), &reader, &again, &terms) == FAULT_NONE);
    check_same(request, &again);
    assert(!terms.keeps_alive);
    buffer_clear(&out);
}

static void parse(const unsigned char *data, size_t size)
{
    struct arena arena;
    struct request request;
    struct h1_connection_terms terms;
    const struct h1_head_reader reader = {.arena = &arena};
    char *copy = exact_text_copy(data, size);

    whole_head_check(slice_of(copy, size), false);
    arena_init(&arena);
    enum fault fault = h1_head_parse_request(slice_of(copy, size), &reader, &request, &terms);
    assert(fault == FAULT_NONE || fault_status(fault) >= 400);
    assert(terms.fault_offset < size);
    if (fault == FAULT_NONE) {
        check_promises(&request, &arena);
        check_written(&request, &arena);
    }
    arena_clear(&arena);
    free(copy);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct h1_scanner begun, scanner;

    if (size > INPUT_BYTES_MAX)
        return 0;
    h1_scanner_init(&begun, false, &LIMITS);
    if (torn_head_scan(&begun, data, size, &scanner) == H1_SCAN_DONE)
        parse(data, scanner.offset);
    return 0;
}
