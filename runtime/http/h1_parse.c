/*
 * h1_parse — splitting lines, and gathering what http-parser is asked about.
 */
#include "http/h1_parse.h"

/* Of what http-parser is asked about; where lines touch they are one. */
#define PIECES_MAX 8
/* Fields that a table has room for at least: policies and proxies add some. */
#define ROOM_MIN 16

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

static bool has_notes(const struct h1_head_reader *reader)
{
    return reader->lines != NULL && reader->lines->head != NULL;
}

/* Where the head lies now, not where it was scanned. */
static const char *moved(const char *at, const char *from, const char *to)
{
    return to + (at - from);
}

/* Those that http-parser looks for, and the empty line. */
static void gather_fields(struct gathering *gathering, const struct headers *headers,
                          const char *end)
{
    const char *empty_line = end - 2;

    for (uint32_t i = 0; i < headers->count; i++) {
        const struct header *item = &headers->items[i];
        if ((HEADERS_BIT(item->id) & OPINIONATED) == 0)
            continue;
        bool is_last = i + 1 == headers->count;
        gather(gathering, item->name.start, is_last ? empty_line : item[1].name.start);
    }
    gather(gathering, empty_line, end);
}

/* The table of what was noted, where the head has been copied to. */
static void adopt(struct headers *headers, const struct h1_lines *lines, const char *head,
                  struct arena *arena)
{
    uint32_t capacity = lines->count > ROOM_MIN ? lines->count : ROOM_MIN;

    *headers = (struct headers){
        .items = arena_alloc(arena, capacity * sizeof(struct header)),
        .count = lines->count,
        .capacity = capacity,
        .ids = lines->ids,
        .bytes = lines->bytes,
    };
    for (uint32_t i = 0; i < lines->count; i++) {
        struct header *item = &headers->items[i];
        *item = lines->items[i];
        item->name.start = moved(item->name.start, lines->head, head);
        item->value.start = moved(item->value.start, lines->head, head);
    }
}

/* From the scanner's notes, or, where it has made none of all fields, from the head. NULL, or the
 * field that is one too many. */
static const char *take_fields(struct slice head, size_t start_line,
                               const struct h1_head_reader *reader, struct headers *headers)
{
    struct h1_lines again;

    if (has_notes(reader)) {
        adopt(headers, reader->lines, head.start, reader->arena);
        return NULL;
    }
    h1_lines_begin(&again, head.start);
    const char *end = h1_lines_take(&again, head.start + start_line, head.start + head.length);
    adopt(headers, &again, head.start, reader->arena);
    return *end == '\r' ? NULL : end;
}

static size_t start_line_bytes(struct slice head, const struct h1_head_reader *reader)
{
    if (has_notes(reader))
        return (size_t)(reader->lines->fields - reader->lines->head);
    size_t empty = head.start[0] == '\r' ? 2 : 0; /* at most one empty line before it */
    return empty + slice_find(slice_after(head, empty), '\n') + 1;
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

enum fault h1_parse_request(struct h1_parse *parse, struct slice head,
                            const struct h1_head_reader *reader, struct headers *headers)
{
    struct gathering gathering = {.count = 0};
    size_t line = start_line_bytes(head, reader);
    const char *end = head.start + head.length;

    parse->culprit = take_fields(head, line, reader, headers);
    if (parse->culprit != NULL)
        return FAULT_REQUEST_HEAD_TOO_LARGE;
    struct slice rest = head;
    if (head.start[0] == '\r')
        rest = slice_after(head, 2);
    split_request_line(parse, &gathering,
                       slice_of(rest.start, (size_t)(head.start + line - rest.start)));
    gather_fields(&gathering, headers, end);
    return ask(parse, rest, &gathering, reader->opinions, false);
}

enum fault h1_parse_response(struct h1_parse *parse, struct slice head,
                             const struct h1_head_reader *reader, struct headers *headers)
{
    struct gathering gathering = {.count = 0};
    size_t line = start_line_bytes(head, reader);

    parse->culprit = take_fields(head, line, reader, headers);
    if (parse->culprit != NULL)
        return FAULT_UPSTREAM_HEAD_TOO_LARGE;
    split_status_line(parse, &gathering, slice_of(head.start, line));
    gather_fields(&gathering, headers, head.start + head.length);
    return ask(parse, head, &gathering, reader->opinions, true);
}
