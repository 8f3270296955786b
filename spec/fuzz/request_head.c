/*
 * request_head — fuzzes the way of a request's head: scanner, http-parser, rules, writer.
 *
 * However the bytes are cut, the verdict is the same; what passes keeps the promises of
 * message.h; and what the writer makes of it passes again, as the same request.
 */
#include <assert.h>
#include <stdlib.h>

#include "http/h1_head.h"
#include "http/h1_scanner.h"
#include "http/h1_writer.h"
#include "http/uri.h"
#include "whole_head.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define INPUT_BYTES_MAX   1024
#define WRITTEN_BYTES_MAX 65536

static const struct h1_scanner_limits LIMITS = {.head_bytes_max = 900, .target_bytes_max = 200};
static const struct h1_scanner_limits WIDE = {.head_bytes_max = WRITTEN_BYTES_MAX,
                                              .target_bytes_max = WRITTEN_BYTES_MAX};

/* A block of exactly its size, so that the sanitizer sees reads beyond it. */
static char *copy_of(const void *data, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

static enum h1_scan scan_piece(struct h1_scanner *scanner, const unsigned char *data, size_t size)
{
    bool begins = scanner->offset == 0;
    char *copy = copy_of(data, size);
    struct h1_lines lines;
    enum h1_scan verdict = h1_scanner_scan_lines(scanner, slice_of(copy, size), &lines);
    assert(begins || lines.head == NULL);
    free(copy);
    return verdict;
}

static void check_same_verdict(const struct h1_scanner *torn, enum h1_scan again,
                               const struct h1_scanner *whole, enum h1_scan verdict)
{
    assert(again == verdict && torn->fault == whole->fault);
    assert(torn->fault_offset == whole->fault_offset);
    assert(verdict == H1_SCAN_REFUSED || torn->offset == whole->offset);
}

/* Byte by byte, which leaves no line to the scanner's short ways. */
static void check_bytes(const unsigned char *data, size_t size, enum h1_scan verdict,
                        const struct h1_scanner *whole)
{
    struct h1_scanner torn;
    enum h1_scan again = H1_SCAN_MORE;

    h1_scanner_init(&torn, false, &LIMITS);
    for (size_t length = 1; length <= size && again == H1_SCAN_MORE; length++)
        again = scan_piece(&torn, data, length);
    check_same_verdict(&torn, again, whole, verdict);
}

static void check_cuts(const unsigned char *data, size_t size, enum h1_scan verdict,
                       const struct h1_scanner *whole)
{
    for (size_t cut = 0; cut < size; cut++) {
        struct h1_scanner torn;
        h1_scanner_init(&torn, false, &LIMITS);
        enum h1_scan again = scan_piece(&torn, data, cut);
        if (again == H1_SCAN_MORE)
            again = scan_piece(&torn, data, size);
        check_same_verdict(&torn, again, whole, verdict);
    }
}

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
    char *copy = copy_of(data, size);

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
    struct h1_scanner scanner;

    if (size > INPUT_BYTES_MAX)
        return 0;
    h1_scanner_init(&scanner, false, &LIMITS);
    enum h1_scan verdict = scan_piece(&scanner, data, size);
    check_cuts(data, size, verdict, &scanner);
    check_bytes(data, size, verdict, &scanner);
    if (verdict == H1_SCAN_DONE)
        parse(data, scanner.offset);
    return 0;
}
