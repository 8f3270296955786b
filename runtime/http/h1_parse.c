/*
 * h1_parse — the callbacks of http-parser, each of which comes once per element since
 * the head is one run of bytes.
 */
#include "http/h1_parse.h"

#include <http_parser.h>

#include "base/slice.h"

struct run {
    struct h1_parse *parse;
    struct arena *arena;
    struct headers *headers;
    struct slice name; /* of the field whose value comes next; start NULL: none */
    bool is_too_large, is_complete;
};

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct run *run = parser->data;
    run->parse->target = slice_of(at, length);
    return 0;
}

static int on_status(http_parser *parser, const char *at, size_t length)
{
    struct run *run = parser->data;
    run->parse->reason = slice_of(at, length);
    return 0;
}

/* A second name without a value in between would mean that one element came in two pieces. */
static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct run *run = parser->data;
    bool is_torn = run->name.start != NULL;
    run->name = slice_of(at, length);
    return is_torn;
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct run *run = parser->data;
    if (run->name.start == NULL)
        return 1;
    struct slice value = slice_trimmed(slice_of(at, length));
    run->is_too_large = !headers_add(run->headers, run->arena, run->name, value);
    run->name = SLICE_NONE;
    return run->is_too_large;
}

/* "2" ends the run with the head: bodies and tunnels are not http-parser's to find. */
static int on_headers_complete(http_parser *parser)
{
    struct run *run = parser->data;
    struct h1_parse *parse = run->parse;

    run->is_complete = run->name.start == NULL;
    parse->status = parser->status_code;
    parse->minor_version = parser->http_minor;
    parse->content_length = parser->content_length;
    parse->is_chunked = (parser->flags & F_CHUNKED) != 0;
    parse->closes = (parser->flags & F_CONNECTION_CLOSE) != 0;
    parse->keeps_alive = (parser->flags & F_CONNECTION_KEEP_ALIVE) != 0;
    parse->upgrades =
        (parser->flags & (F_UPGRADE | F_CONNECTION_UPGRADE)) == (F_UPGRADE | F_CONNECTION_UPGRADE);
    return 2;
}

static const http_parser_settings SETTINGS = {
    .on_url = on_url,
    .on_status = on_status,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

/* The scanner has seen that there is one, after at most one CRLF. */
static struct slice method_in(struct slice head)
{
    struct slice line = head.start[0] == '\r' ? slice_after(head, 2) : head;
    return slice_of(line.start, slice_find(line, ' '));
}

static enum fault verdict(const struct run *run, const http_parser *parser, bool is_response)
{
    enum http_errno error = HTTP_PARSER_ERRNO(parser);
    if (!is_response && error == HPE_INVALID_METHOD)
        return FAULT_METHOD_UNKNOWN;
    if (run->is_too_large || error == HPE_HEADER_OVERFLOW)
        return is_response ? FAULT_UPSTREAM_HEAD_TOO_LARGE : FAULT_REQUEST_HEAD_TOO_LARGE;
    if (error == HPE_OK && run->is_complete)
        return FAULT_NONE;
    return is_response ? FAULT_UPSTREAM_MALFORMED : FAULT_REQUEST_MALFORMED;
}

enum fault h1_parse_head(struct h1_parse *parse, struct slice head, bool is_response,
                         struct arena *arena, struct headers *headers)
{
    struct run run = {.parse = parse, .arena = arena, .headers = headers};
    http_parser parser;

    *parse = (struct h1_parse){.reason = SLICE("")};
    http_parser_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
    parser.data = &run;
    parse->used = http_parser_execute(&parser, &SETTINGS, head.start, head.length);

    enum fault fault = verdict(&run, &parser, is_response);
    if (fault != FAULT_NONE)
        return fault;
    if (parse->used != head.length || parser.http_major != 1 || parser.http_minor > 1)
        return is_response ? FAULT_UPSTREAM_MALFORMED : FAULT_REQUEST_MALFORMED;
    if (is_response)
        return FAULT_NONE;
    parse->method = method_in(head);
    struct slice known = slice_from_string(http_method_str((enum http_method)parser.method));
    return slice_equals(parse->method, known) ? FAULT_NONE : FAULT_METHOD_UNKNOWN;
}
