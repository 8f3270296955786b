/*
 * h1_parse — splitting lines, and gathering what http-parser is asked about.
 */
#include "http/h1_parse.h"

/* Of what http-parser is asked about; where lines touch they are one. */
#define PIECES_MAX 8

/* The names that http-parser looks for. */
static const uint64_t OPINIONATED =
    HEADERS_BIT(HEADER_CONNECTION) | HEADERS_BIT(HEADER_PROXY_CONNECTION) |
    HEADERS_BIT(HEADER_CONTENT_LENGTH) | HEADERS_BIT(HEADER_TRANSFER_ENCODING) |
    HEADERS_BIT(HEADER_UPGRADE);

struct gathering {
    struct slice pieces[PIECES_MAX];
    size_t count; /* beyond PIECES_MAX: they do not fit */
};

static void gather(struct gathering *gathering, const char *start, const char *end)
{
    if (gathering->count > 0 && gathering->count <= PIECES_MAX) {
        struct slice *last = &gathering->pieces[gathering->count - 1];
        if (last->start + last->length == start) {
            last->length += (size_t)(end - start);
            return;
        }
    }
    if (gathering->count < PIECES_MAX)
        gathering->pieces[gathering->count] = slice_of(start, (size_t)(end - start));
    gathering->count++;
}

/* The LF of the line that begins at `at`; the scanner has seen that there is one. */
static const char *line_feed(const char *at, const char *end)
{
    return memchr(at, '\n', (size_t)(end - at));
}

static struct header split_field(const char *start, const char *colon, const char *feed)
{
    struct slice name = slice_of(start, (size_t)(colon - start));
    struct slice raw = slice_of(colon + 1, (size_t)(feed - 1 - (colon + 1)));
    struct slice value = slice_trimmed(raw);
    bool is_usual = value.start == colon + 2 && colon[1] == ' ';

    return (struct header){
        .name = name,
        .value = value,
        .id = header_id_of(name),
        .is_line = is_usual && value.length + 1 == raw.length,
    };
}

/* All fields, from `at` on, up to the empty line that ends the head; NULL, or the one too many. */
static const char *split_fields(struct gathering *gathering, struct slice fields,
                                struct arena *arena, struct headers *headers)
{
    const char *at = fields.start, *end = fields.start + fields.length;

    while (*at != '\r') {
        const char *feed = line_feed(at, end);
        const char *colon = memchr(at, ':', (size_t)(feed - at));
        struct header field = split_field(at, colon, feed);
        if (!headers_add_field(headers, arena, &field))
            return at;
        if ((HEADERS_BIT(field.id) & OPINIONATED) != 0)
            gather(gathering, at, feed + 1);
        at = feed + 1;
    }
    gather(gathering, at, end);
    return NULL;
}

/* Of a target that begins with a slash http-parser sees no more than that. */
static void split_request_line(struct h1_parse *parse, struct gathering *gathering,
                               struct slice line)
{
    size_t method = slice_find(line, ' ');
    struct slice rest = slice_after(line, method + 1);
    const char *end = line.start + line.length;

    parse->method = slice_of(line.start, method);
    parse->target = slice_of(rest.start, slice_find(rest, ' '));
    if (*rest.start == '/') {
        gather(gathering, line.start, rest.start + 1);
        gather(gathering, rest.start + parse->target.length, end);
    } else {
        gather(gathering, line.start, end);
    }
}

/* "HTTP/1.1 200 OK"; the reason may be missing with the space before it. */
static void split_status_line(struct h1_parse *parse, struct gathering *gathering,
                              struct slice line)
{
    const size_t reason = sizeof("HTTP/1.1 200 ") - 1, line_end = sizeof("\r\n") - 1;

    parse->reason = SLICE("");
    if (line.length > reason + line_end)
        parse->reason = slice_of(line.start + reason, line.length - reason - line_end);
    gather(gathering, line.start, line.start + line.length);
}

static const char *place_in(const struct slice *pieces, size_t count, size_t offset)
{
    for (size_t i = 0; i < count; i++) {
        if (offset < pieces[i].length)
            return pieces[i].start + offset;
        offset -= pieces[i].length;
    }
    return NULL;
}

static enum fault ask(struct h1_parse *parse, struct slice head, const struct gathering *gathering,
                      struct h1_opinions *opinions, bool is_response)
{
    bool fits = gathering->count <= PIECES_MAX;
    struct h1_question question = {.pieces = fits ? gathering->pieces : &head,
                                   .count = fits ? gathering->count : 1,
                                   .is_response = is_response};
    size_t used;
    enum fault fault = h1_opinion_ask(opinions, &question, &parse->opinion, &used);

    if (fault != FAULT_NONE)
        parse->culprit = place_in(question.pieces, question.count, used);
    return fault;
}

enum fault h1_parse_request(struct h1_parse *parse, struct slice head, struct h1_opinions *opinions,
                            struct arena *arena, struct headers *headers)
{
    struct gathering gathering = {.count = 0};

    *parse = (struct h1_parse){.culprit = NULL};
    if (head.start[0] == '\r') /* at most one empty line before it */
        head = slice_after(head, 2);
    size_t line = (size_t)(line_feed(head.start, head.start + head.length) + 1 - head.start);
    split_request_line(parse, &gathering, slice_of(head.start, line));
    parse->culprit = split_fields(&gathering, slice_after(head, line), arena, headers);
    if (parse->culprit != NULL)
        return FAULT_REQUEST_HEAD_TOO_LARGE;
    return ask(parse, head, &gathering, opinions, false);
}

enum fault h1_parse_response(struct h1_parse *parse, struct slice head,
                             struct h1_opinions *opinions, struct arena *arena,
                             struct headers *headers)
{
    struct gathering gathering = {.count = 0};

    *parse = (struct h1_parse){.culprit = NULL};
    size_t line = (size_t)(line_feed(head.start, head.start + head.length) + 1 - head.start);
    split_status_line(parse, &gathering, slice_of(head.start, line));
    parse->culprit = split_fields(&gathering, slice_after(head, line), arena, headers);
    if (parse->culprit != NULL)
        return FAULT_UPSTREAM_HEAD_TOO_LARGE;
    return ask(parse, head, &gathering, opinions, true);
}
