/*
 * response_head — fuzzes the way of a response's head: scanner, http-parser, rules, writer.
 *
 * The first byte chooses the request's method. However the bytes are cut, the verdict is the same;
 * what passes keeps the promises of message.h; and what the writer makes of it passes again, as the
 * same response.
 */
#include <assert.h>

#include "http/h1_head.h"
#include "http/h1_scanner.h"
#include "http/h1_writer.h"
#include "torn_head.h"
#include "whole_head.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define INPUT_BYTES_MAX   1024
#define WRITTEN_BYTES_MAX 65536

static const struct h1_scanner_limits LIMITS = {.head_bytes_max = 900};
static const struct h1_scanner_limits WIDE = {.head_bytes_max = WRITTEN_BYTES_MAX};

static void check_promises(const struct response *response, enum method method,
                           const struct h1_connection_terms *terms)
{
    uint32_t at = 0;

    assert(response->status >= 100 && response->status <= 599);
    assert(response->body == BODY_NONE ||
           (!status_has_no_body(response->status) && method != METHOD_HEAD));
    assert(response->body != BODY_STREAMED || response->content_length == MESSAGE_LENGTH_UNKNOWN);
    assert(response->body == BODY_STREAMED || !terms->is_chunked);
    assert(response->body != BODY_STREAMED || terms->is_chunked || !terms->keeps_alive);
    assert((response->status == 101) == (response->upgrade.start != NULL));
    for (const struct header *h; (h = headers_next(&response->headers, &at)) != NULL;)
        assert(headers_is_name(h->name) && headers_is_value(h->value));
}

static void check_written(struct response *response, enum method method, struct arena *arena)
{
    struct buffer out;
    struct h1_scanner scanner;
    struct response again;
    struct h1_connection_terms terms;
    const struct h1_head_reader reader = {.arena = arena};

    headers_remove_hop_by_hop(&response->headers);
    buffer_init(&out, WRITTEN_BYTES_MAX, NULL);
    assert(h1_writer_response(&out, response, 1, H1_WRITER_KEEP_ALIVE));
    h1_scanner_init(&scanner, true, &WIDE);
    assert(h1_scanner_scan(&scanner, buffer_slice(&out)) == H1_SCAN_DONE);
    assert(scanner.offset == buffer_length(&out));
    assert(h1_head_parse_response(buffer_slice(&out), method, &reader, &again, &terms) ==
           FAULT_NONE);
    assert(again.status == response->status && again.body == response->body);
    assert(again.content_length == response->content_length && terms.keeps_alive);
    assert(terms.is_chunked == (response->body == BODY_STREAMED));
    assert(slice_equals(again.reason, response->reason));
    buffer_clear(&out);
}

static void parse(const unsigned char *data, size_t size, enum method method)
{
    struct arena arena;
    struct response response;
    struct h1_connection_terms terms;
    const struct h1_head_reader reader = {.arena = &arena};
    char *copy = exact_text_copy(data, size);

    whole_head_check(slice_of(copy, size), true);
    arena_init(&arena);
    enum fault fault =
        h1_head_parse_response(slice_of(copy, size), method, &reader, &response, &terms);
    assert(fault == FAULT_NONE || fault_status(fault) == 502);
    assert(terms.fault_offset < size);
    if (fault == FAULT_NONE) {
        check_promises(&response, method, &terms);
        check_written(&response, method, &arena);
    }
    arena_clear(&arena);
    free(copy);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const enum method CHOICE[] = {METHOD_GET, METHOD_HEAD, METHOD_CONNECT, METHOD_GET};
    struct h1_scanner begun, scanner;

    if (size == 0 || size > INPUT_BYTES_MAX)
        return 0;
    enum method method = CHOICE[data[0] % 4];
    data++;
    size--;
    h1_scanner_init(&begun, true, &LIMITS);
    if (torn_head_scan(&begun, data, size, &scanner) == H1_SCAN_DONE)
        parse(data, scanner.offset, method);
    return 0;
}
