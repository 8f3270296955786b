/*
 * h1_body — the strict scanner leads, http-parser follows over the same bytes and is held to it.
 */
#include "http/h1_body.h"

#include <assert.h>
#include <http_parser.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "http/h1_chunk_scanner.h"
#include "http/h1_scanner.h"

struct h1_body_chunked {
    struct h1_chunk_scanner scanner;
    http_parser parser;
    struct buffer trailers;            /* raw; begins with the trailers, more may follow them */
    struct h1_scanner trailer_scanner; /* its offset is the length of the complete trailers */
};

/* What http-parser saw in one piece of a chunked body. */
struct sighting {
    const char *data;
    size_t length;
    unsigned runs;
    bool is_complete;
};

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct sighting *sighting = parser->data;
    sighting->data = at;
    sighting->length = length;
    sighting->runs++;
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    struct sighting *sighting = parser->data;
    sighting->is_complete = true;
    return 0;
}

static const http_parser_settings SETTINGS = {
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* http-parser cannot begin with a body, so it gets a head that has a chunked one. */
static void start_parser(http_parser *parser)
{
    static const struct slice HEAD = {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 47};
    struct sighting sighting = {0};

    http_parser_init(parser, HTTP_REQUEST);
    parser->data = &sighting;
    size_t used = http_parser_execute(parser, &SETTINGS, HEAD.start, HEAD.length);
    assert(used == HEAD.length && !sighting.is_complete);
    (void)used;
}

static OUT_OF_LINE struct h1_body_chunked *chunked_create(bool is_response,
                                                          const struct h1_body_limits *limits)
{
    struct h1_body_chunked *chunked = mem_alloc(sizeof(*chunked));

    h1_chunk_scanner_init(&chunked->scanner, limits->extension_bytes_max);
    h1_scanner_init_trailers(&chunked->trailer_scanner, is_response, limits->trailer_bytes_max);
    buffer_init(&chunked->trailers, limits->trailer_bytes_max, NULL);
    start_parser(&chunked->parser);
    return chunked;
}

void h1_body_init(struct h1_body *body, bool is_response, struct h1_body_framing framing,
                  const struct h1_body_limits *limits)
{
    bool has_length = framing.kind == BODY_LENGTH;
    *body = (struct h1_body){
        .body = framing.kind,
        .is_response = is_response,
        .left = has_length ? framing.content_length : 0,
        .is_complete = framing.kind == BODY_NONE || (has_length && framing.content_length == 0),
    };
    if (framing.kind == BODY_STREAMED && framing.is_chunked)
        body->chunked = chunked_create(is_response, limits);
}

void h1_body_clear(struct h1_body *body)
{
    if (body->chunked == NULL)
        return;
    buffer_clear(&body->chunked->trailers);
    free(body->chunked);
    body->chunked = NULL;
}

static struct slice take(struct h1_body *body, struct slice *input, size_t bytes)
{
    struct slice taken = slice_of(input->start, bytes);
    *input = slice_after(*input, bytes);
    body->offset += bytes;
    return taken;
}

static size_t smaller(uint64_t one, size_t other)
{
    return one < other ? (size_t)one : other;
}

static enum fault malformed(const struct h1_body *body)
{
    return body->is_response ? FAULT_UPSTREAM_MALFORMED : FAULT_REQUEST_MALFORMED;
}

/* Whether http-parser finds `data` in `piece`, nothing else, and the end where we do. */
static bool parser_agrees(struct h1_body *body, struct slice piece, struct slice data)
{
    struct sighting sighting = {0};

    if (piece.length == 0)
        return true;
    http_parser *parser = &body->chunked->parser;
    parser->data = &sighting;
    size_t used = http_parser_execute(parser, &SETTINGS, piece.start, piece.length);
    if (used != piece.length || HTTP_PARSER_ERRNO(parser) != HPE_OK)
        return false;
    if (sighting.is_complete != body->is_complete)
        return false;
    if (data.length == 0)
        return sighting.runs == 0;
    return sighting.runs == 1 && sighting.data == data.start && sighting.length == data.length;
}

/* Field by field up to the empty line; the scanner has seen that it comes and that all is well. */
static bool next_trailer(struct slice *rest, struct header *field)
{
    size_t end = slice_find(*rest, '\r');
    if (end == 0)
        return false;
    size_t colon = slice_find(*rest, ':');
    assert(colon < end);
    field->name = slice_of(rest->start, colon);
    field->value = slice_trimmed(slice_of(rest->start + colon + 1, end - colon - 1));
    field->id = header_id_of(field->name);
    *rest = slice_after(*rest, end + 2);
    return true;
}

static bool has_framing_trailer(const struct h1_body_chunked *chunked)
{
    struct slice rest = buffer_slice(&chunked->trailers);
    struct header field;
    while (next_trailer(&rest, &field)) {
        if ((header_flags_of(field.id) & HEADER_FRAMING) != 0)
            return true;
    }
    return false;
}

/* Trailers are rare, and the scanner wants them in one piece: so they are collected. */
static enum fault collect_trailers(struct h1_body *body, struct slice input, size_t *used)
{
    struct h1_scanner *scanner = &body->chunked->trailer_scanner;
    struct buffer *trailers = &body->chunked->trailers;
    size_t before = buffer_length(trailers), room = trailers->bytes_max - before;
    bool fits = buffer_append(trailers, slice_of(input.start, smaller(room, input.length)));
    assert(fits);
    (void)fits;

    enum h1_scan scan = h1_scanner_scan(scanner, buffer_slice(trailers));
    *used = (scan == H1_SCAN_REFUSED ? scanner->fault_offset : scanner->offset) - before;
    if (scan == H1_SCAN_REFUSED)
        return scanner->fault;
    body->is_complete = scan == H1_SCAN_DONE;
    return body->is_complete && has_framing_trailer(body->chunked) ? malformed(body) : FAULT_NONE;
}

static enum fault read_trailers(struct h1_body *body, struct slice input, size_t *used)
{
    if (buffer_length(&body->chunked->trailers) > 0 || !slice_starts_with(input, SLICE("\r\n")))
        return collect_trailers(body, input, used);
    body->is_complete = true;
    *used = 2;
    return FAULT_NONE;
}

static enum fault read_chunked(struct h1_body *body, struct slice *input, struct slice *data)
{
    struct h1_chunk_scanner *scanner = &body->chunked->scanner;
    size_t used;
    enum h1_chunk chunk = h1_chunk_scanner_scan(scanner, *input, &used);
    struct slice rest = slice_after(*input, used);
    size_t trailer_bytes = 0;
    enum fault fault = FAULT_NONE;

    if (chunk == H1_CHUNK_REFUSED)
        fault = malformed(body);
    if (chunk == H1_CHUNK_DATA) {
        *data = slice_of(rest.start, smaller(scanner->left, rest.length));
        h1_chunk_scanner_take(scanner, data->length);
    }
    if (chunk == H1_CHUNK_TRAILERS && rest.length > 0)
        fault = read_trailers(body, rest, &trailer_bytes);

    struct slice piece = take(body, input, used + data->length + trailer_bytes);
    if (fault == FAULT_NONE && !parser_agrees(body, piece, *data))
        fault = malformed(body);
    return fault;
}

enum fault h1_body_read(struct h1_body *body, struct slice *input, struct slice *data)
{
    *data = slice_of(input->start, 0);
    if (body->is_complete || input->length == 0)
        return FAULT_NONE;
    if (body->chunked != NULL)
        return read_chunked(body, input, data);
    if (body->body == BODY_STREAMED) {
        *data = take(body, input, input->length);
        return FAULT_NONE;
    }
    *data = take(body, input, smaller(body->left, input->length));
    body->left -= data->length;
    body->is_complete = body->left == 0;
    return FAULT_NONE;
}

enum fault h1_body_end(struct h1_body *body)
{
    if (body->body == BODY_STREAMED && body->chunked == NULL)
        body->is_complete = true;
    if (body->is_complete)
        return FAULT_NONE;
    return body->is_response ? FAULT_UPSTREAM_INCOMPLETE : FAULT_CLIENT_GONE;
}

enum fault h1_body_trailers(const struct h1_body *body, struct arena *arena,
                            struct headers *trailers)
{
    assert(body->is_complete);
    *trailers = (struct headers){0};
    if (body->chunked == NULL || buffer_length(&body->chunked->trailers) == 0)
        return FAULT_NONE;

    struct slice rest = arena_copy(arena, buffer_slice(&body->chunked->trailers));
    struct header field;
    while (next_trailer(&rest, &field)) {
        if ((header_flags_of(field.id) & HEADER_NOT_IN_TRAILERS) != 0)
            continue;
        if (!headers_add(trailers, arena, field.name, field.value))
            return body->is_response ? FAULT_UPSTREAM_HEAD_TOO_LARGE : FAULT_REQUEST_HEAD_TOO_LARGE;
    }
    return FAULT_NONE;
}
