/*
 * h1_writer — a bound on the size first, then one reservation and plain copies.
 */
#include "http/h1_writer.h"

#include <assert.h>

#include "base/put.h"

/* Of a head beside method, target, reason, upgrade and fields. */
#define FIXED_BYTES_MAX 128
#define HEX_DIGITS_MAX  16

static char *put_number(char *at, uint64_t number)
{
    char digits[SLICE_DIGITS_MAX];
    return put(at, slice_of_uint64(number, digits));
}

/* Lines that follow one another in the message that they came with go in one piece. */
static char *put_fields(char *at, const struct headers *headers, unsigned without)
{
    struct slice lines = SLICE("");
    uint32_t next = 0;

    for (const struct header *h; (h = headers_next(headers, &next)) != NULL;) {
        if ((header_flags_of(h->id) & without) != 0)
            continue;
        size_t length = headers_line_bytes(h);
        if (h->is_line && h->name.start == lines.start + lines.length) {
            lines.length += length;
            continue;
        }
        at = put(at, lines);
        lines = h->is_line ? slice_of(h->name.start, length) : SLICE("");
        if (h->is_line)
            continue;
        at = put(at, h->name);
        at = put(at, SLICE(": "));
        at = put(at, h->value);
        at = put(at, SLICE("\r\n"));
    }
    return put(at, lines);
}

static char *put_length(char *at, uint64_t length)
{
    at = put(at, SLICE("content-length: "));
    at = put_number(at, length);
    return put(at, SLICE("\r\n"));
}

static OUT_OF_LINE char *put_upgrade(char *at, struct slice protocol)
{
    at = put(at, SLICE("upgrade: "));
    at = put(at, protocol);
    return put(at, SLICE("\r\n"));
}

static void commit(struct buffer *out, const char *start, const char *end, size_t room)
{
    assert((size_t)(end - start) <= room);
    buffer_commit(out, (size_t)(end - start));
}

static char *put_target(char *at, const struct request *request)
{
    if (request->method == METHOD_CONNECT)
        return put(at, request->authority);
    at = put(at, request->path);
    if (request->query.start == NULL)
        return at;
    at = put(at, SLICE("?"));
    return put(at, request->query);
}

static OUT_OF_LINE char *put_request_options(char *at, const struct request *request, bool closes)
{
    struct slice options[3];
    size_t count = 0;

    if (closes)
        options[count++] = SLICE("close");
    if (request->accepts_trailers)
        options[count++] = SLICE("te");
    if (request->upgrade.start != NULL)
        options[count++] = SLICE("upgrade");
    for (size_t i = 0; i < count; i++) {
        at = put(at, i == 0 ? SLICE("connection: ") : SLICE(", "));
        at = put(at, options[i]);
    }
    if (count > 0)
        at = put(at, SLICE("\r\n"));
    if (request->accepts_trailers)
        at = put(at, SLICE("te: trailers\r\n"));
    return request->upgrade.start != NULL ? put_upgrade(at, request->upgrade) : at;
}

/* Most say nothing: to be kept open is what they are for. */
static char *put_request_connection(char *at, const struct request *request, bool closes)
{
    if (closes || request->accepts_trailers || request->upgrade.start != NULL)
        return put_request_options(at, request, closes);
    return at;
}

static char *put_request_framing(char *at, const struct request *request)
{
    switch (request->body) {
    case BODY_NONE:
        return at;
    case BODY_LENGTH:
        return put_length(at, request->content_length);
    case BODY_STREAMED:
        return put(at, SLICE("transfer-encoding: chunked\r\n"));
    }
    return at;
}

bool h1_writer_request(struct buffer *out, const struct request *request,
                       enum h1_writer_connection connection)
{
    const unsigned without = HEADER_HOP_BY_HOP | HEADER_FRAMING;
    size_t room = FIXED_BYTES_MAX + request->method_name.length + request->path.length +
                  request->query.length + request->authority.length + request->upgrade.length +
                  request->headers.bytes;
    char *start = buffer_reserve(out, room);
    if (start == NULL)
        return false;

    char *at = put(start, request->method_name);
    at = put(at, SLICE(" "));
    at = put_target(at, request);
    at = put(at, SLICE(" HTTP/1.1\r\n"));
    at = put_fields(at, &request->headers, without);
    at = put_request_framing(at, request);
    at = put_request_connection(at, request, connection == H1_WRITER_CLOSE);
    at = put(at, SLICE("\r\n"));
    commit(out, start, at, room);
    return true;
}

static char *put_response_framing(char *at, const struct response *response, unsigned minor)
{
    switch (response->body) {
    case BODY_NONE:
    case BODY_LENGTH:
        if (response->content_length == MESSAGE_LENGTH_UNKNOWN)
            return at;
        return put_length(at, response->content_length);
    case BODY_STREAMED:
        return minor == 0 ? at : put(at, SLICE("transfer-encoding: chunked\r\n"));
    }
    return at;
}

static char *put_response_connection(char *at, const struct response *response, unsigned minor,
                                     bool closes)
{
    if (closes || (minor == 0 && response->body == BODY_STREAMED))
        return put(at, SLICE("connection: close\r\n"));
    return minor == 0 ? put(at, SLICE("connection: keep-alive\r\n")) : at;
}

static char *put_final_fields(char *at, const struct response *response, unsigned minor,
                              enum h1_writer_connection connection)
{
    if (response->status == 101) {
        at = put(at, SLICE("connection: upgrade\r\n"));
        return put_upgrade(at, response->upgrade);
    }
    if (response->status < 200)
        return at;
    at = put_response_framing(at, response, minor);
    return put_response_connection(at, response, minor, connection == H1_WRITER_CLOSE);
}

bool h1_writer_response(struct buffer *out, const struct response *response,
                        unsigned to_minor_version, enum h1_writer_connection connection)
{
    const unsigned without = HEADER_HOP_BY_HOP | HEADER_FRAMING;
    size_t room = FIXED_BYTES_MAX + response->reason.length + response->upgrade.length +
                  response->headers.bytes;
    char *start = buffer_reserve(out, room);
    if (start == NULL)
        return false;

    assert(response->status >= 100 && response->status <= 999);
    char *at = put(start, SLICE("HTTP/1.1 "));
    at = put_number(at, (uint64_t)response->status);
    at = put(at, SLICE(" "));
    at = put(at, response->reason);
    at = put(at, SLICE("\r\n"));
    at = put_fields(at, &response->headers, without);
    at = put_final_fields(at, response, to_minor_version, connection);
    at = put(at, SLICE("\r\n"));
    commit(out, start, at, room);
    return true;
}

bool h1_writer_chunk_start(struct buffer *out, uint64_t length)
{
    char line[HEX_DIGITS_MAX + 2];
    char *at = line + HEX_DIGITS_MAX;

    assert(length > 0);
    memcpy(at, "\r\n", 2);
    for (; length > 0; length >>= 4)
        *--at = "0123456789abcdef"[length & 15];
    return buffer_append(out, slice_of(at, (size_t)(line + sizeof(line) - at)));
}

bool h1_writer_chunk_end(struct buffer *out)
{
    return buffer_append(out, SLICE("\r\n"));
}

bool h1_writer_last_chunk(struct buffer *out, const struct headers *trailers)
{
    if (trailers == NULL || trailers->count == 0)
        return buffer_append(out, SLICE("0\r\n\r\n"));

    size_t room = 5 + trailers->bytes;
    char *start = buffer_reserve(out, room);
    if (start == NULL)
        return false;
    char *at = put(start, SLICE("0\r\n"));
    at = put_fields(at, trailers, HEADER_NOT_IN_TRAILERS);
    at = put(at, SLICE("\r\n"));
    commit(out, start, at, room);
    return true;
}
