/*
 * h1_parse — splitting lines, and handing some of them to http-parser.
 *
 * It takes its input in pieces: lines that touch go in one, so that an ordinary head costs two or
 * three calls, and nothing is copied.
 */
#include "http/h1_parse.h"

#include <http_parser.h>

/* The names that http-parser looks for. */
static const uint64_t OPINIONATED =
    HEADERS_BIT(HEADER_CONNECTION) | HEADERS_BIT(HEADER_PROXY_CONNECTION) |
    HEADERS_BIT(HEADER_CONTENT_LENGTH) | HEADERS_BIT(HEADER_TRANSFER_ENCODING) |
    HEADERS_BIT(HEADER_UPGRADE);

struct run {
    http_parser parser;
    struct h1_parse *parse;
    const char *head;        /* where it begins */
    const char *start, *end; /* of the piece that is gathered */
    bool is_complete;        /* http-parser has seen the end of the head */
    bool has_stopped;        /* ... or does not go on; parse->used tells where */
};

/* "2" ends the run with the head: bodies and tunnels are not http-parser's to find. */
static int on_headers_complete(http_parser *parser)
{
    struct run *run = parser->data;
    struct h1_parse *parse = run->parse;

    run->is_complete = true;
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

static const http_parser_settings SETTINGS = {.on_headers_complete = on_headers_complete};

/* What was gathered goes to http-parser, which must use all of it, and may not end before the head
 * does. */
static void hand_over(struct run *run)
{
    size_t length = (size_t)(run->end - run->start);
    if (length == 0 || run->has_stopped)
        return;
    bool was_complete = run->is_complete;
    size_t used = http_parser_execute(&run->parser, &SETTINGS, run->start, length);
    run->has_stopped = was_complete || used != length;
    run->parse->used = (size_t)(run->start - run->head) + used;
}

static void gather(struct run *run, const char *start, const char *end)
{
    if (start != run->end) {
        hand_over(run);
        run->start = start;
    }
    run->end = end;
}

/* The LF of the line that begins at `at`; the scanner has seen that there is one. */
static const char *line_feed(const char *at, const char *end)
{
    return memchr(at, '\n', (size_t)(end - at));
}

/* All fields, from `at` on, up to the empty line that ends the head. False: too many. */
static bool split_fields(struct run *run, const char *at, const char *end, struct arena *arena,
                         struct headers *headers)
{
    while (*at != '\r') {
        const char *feed = line_feed(at, end);
        const char *colon = memchr(at, ':', (size_t)(feed - at));
        struct slice value = slice_trimmed(slice_of(colon + 1, (size_t)(feed - 1 - (colon + 1))));
        if (!headers_add(headers, arena, slice_of(at, (size_t)(colon - at)), value)) {
            run->parse->used = (size_t)(at - run->head);
            return false;
        }
        if ((HEADERS_BIT(headers->items[headers->count - 1].id) & OPINIONATED) != 0)
            gather(run, at, feed + 1);
        at = feed + 1;
    }
    gather(run, at, end);
    return true;
}

static void split_request_line(struct h1_parse *parse, struct slice line)
{
    size_t method = slice_find(line, ' ');
    struct slice rest = slice_after(line, method + 1);
    parse->method = slice_of(line.start, method);
    parse->target = slice_of(rest.start, slice_find(rest, ' '));
}

/* "HTTP/1.1 200 OK"; the reason may be missing with the space before it. */
static void split_status_line(struct h1_parse *parse, struct slice line)
{
    const size_t reason = sizeof("HTTP/1.1 200 ") - 1;
    parse->reason = line.length > reason ? slice_after(line, reason) : SLICE("");
}

/* A request may come after one empty line. */
static const char *split_start_line(struct run *run, struct slice head, bool is_response)
{
    const char *start = head.start[0] == '\r' ? head.start + 2 : head.start;
    const char *feed = line_feed(start, head.start + head.length);
    struct slice line = slice_of(start, (size_t)(feed - 1 - start));

    if (is_response)
        split_status_line(run->parse, line);
    else
        split_request_line(run->parse, line);
    run->start = head.start;
    run->end = feed + 1;
    return feed + 1;
}

static enum fault verdict(const struct run *run, struct slice head, bool is_response)
{
    const http_parser *parser = &run->parser;

    if (!is_response && HTTP_PARSER_ERRNO(parser) == HPE_INVALID_METHOD)
        return FAULT_METHOD_UNKNOWN;
    bool is_agreed = HTTP_PARSER_ERRNO(parser) == HPE_OK && run->is_complete && !run->has_stopped &&
                     run->parse->used == head.length && parser->http_major == 1 &&
                     parser->http_minor <= 1;
    if (!is_agreed)
        return is_response ? FAULT_UPSTREAM_MALFORMED : FAULT_REQUEST_MALFORMED;
    if (is_response)
        return FAULT_NONE;
    struct slice known = slice_from_string(http_method_str((enum http_method)parser->method));
    return slice_equals(run->parse->method, known) ? FAULT_NONE : FAULT_METHOD_UNKNOWN;
}

enum fault h1_parse_head(struct h1_parse *parse, struct slice head, bool is_response,
                         struct arena *arena, struct headers *headers)
{
    struct run run = {.parse = parse, .head = head.start};

    *parse = (struct h1_parse){.reason = SLICE("")};
    http_parser_init(&run.parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
    run.parser.data = &run;
    const char *fields = split_start_line(&run, head, is_response);
    if (!split_fields(&run, fields, head.start + head.length, arena, headers))
        return is_response ? FAULT_UPSTREAM_HEAD_TOO_LARGE : FAULT_REQUEST_HEAD_TOO_LARGE;
    hand_over(&run);
    return verdict(&run, head, is_response);
}
