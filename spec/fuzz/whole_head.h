/*
 * whole_head — http-parser over all of a head, to hold h1_parse against, which hands it a part.
 */
#pragma once

#include <assert.h>
#include <http_parser.h>

#include "http/h1_parse.h"
#include "http/h1_scanner.h"

static inline int whole_head_on_complete(http_parser *parser)
{
    *(http_parser *)parser->data = *parser;
    return 2;
}

/* http-parser takes any name that begins so for the field itself, beside a Content-Length. */
static inline bool whole_head_has_likeness(const struct headers *headers)
{
    const struct slice prefix = SLICE("transfer-encoding");
    uint32_t at = 0;
    for (const struct header *h; (h = headers_next(headers, &at)) != NULL;) {
        if (h->name.length > prefix.length &&
            slice_equals_ignoring_case(slice_of(h->name.start, prefix.length), prefix))
            return true;
    }
    return false;
}

static inline enum fault whole_head_parse(struct h1_parse *parse, struct slice head,
                                          bool is_response, const struct h1_head_reader *reader,
                                          struct headers *headers)
{
    *headers = (struct headers){0};
    *parse = (struct h1_parse){0};
    return is_response ? h1_parse_response(parse, head, reader, headers)
                       : h1_parse_request(parse, head, reader, headers);
}

static inline bool whole_head_is_same(const struct header *one, const struct header *other)
{
    return one->name.start == other->name.start && one->name.length == other->name.length &&
           one->value.start == other->value.start && one->value.length == other->value.length &&
           one->id == other->id && one->is_line == other->is_line;
}

/* The fields are what anybody sees who splits the head at its line feeds and first colons. */
static inline void whole_head_check_fields(struct slice head, const struct headers *headers)
{
    const char *at = head.start, *end = head.start + head.length;
    uint32_t i = 0;

    if (*at == '\r')
        at += 2;
    at = memchr(at, '\n', (size_t)(end - at));
    for (at++; *at != '\r'; i++) {
        const char *feed = memchr(at, '\n', (size_t)(end - at));
        const char *colon = memchr(at, ':', (size_t)(feed - at));
        struct slice value = slice_trimmed(slice_of(colon + 1, (size_t)(feed - colon - 2)));
        assert(i < headers->count && headers_is_name(slice_of(at, (size_t)(colon - at))));
        const struct header *field = &headers->items[i];
        assert(field->name.start == at && field->name.length == (size_t)(colon - at));
        assert(slice_equals(field->value, value) && headers_is_value(value));
        assert(field->id == header_id_of(field->name));
        at = feed + 1;
    }
    assert(i == headers->count && at + 2 == end);
}

/* What the scanner notes on its way, of a head that is not where it will be, is what the head says.
 */
static inline void whole_head_check_notes(struct slice head, bool is_response, enum fault fault,
                                          const struct headers *expected)
{
    const struct h1_scanner_limits limits = {head.length + 1, head.length + 1};
    struct h1_scanner scanner;
    struct h1_lines lines;
    struct headers headers;
    struct h1_parse parse;
    struct arena arena;

    arena_init(&arena);
    struct slice copy = arena_copy(&arena, head);
    h1_scanner_init(&scanner, is_response, &limits);
    assert(h1_scanner_scan_lines(&scanner, copy, &lines) == H1_SCAN_DONE);
    const struct h1_head_reader reader = {.arena = &arena, .lines = &lines};
    assert(whole_head_parse(&parse, head, is_response, &reader, &headers) == fault);
    assert(headers.count == expected->count && headers.ids == expected->ids);
    assert(headers.bytes == expected->bytes);
    for (uint32_t i = 0; i < headers.count; i++)
        assert(whole_head_is_same(&headers.items[i], &expected->items[i]));
    arena_clear(&arena);
}

/* What was remembered of other heads makes no difference. */
static inline void whole_head_check_memory(struct slice head, bool is_response, enum fault fault,
                                           const struct h1_opinion *opinion)
{
    static struct h1_opinions *opinions;
    struct arena arena;
    struct headers headers;
    struct h1_parse parse;

    if (opinions == NULL)
        opinions = h1_opinions_create();
    for (int i = 0; i < 2; i++) {
        const struct h1_head_reader reader = {.arena = &arena, .opinions = opinions};
        arena_init(&arena);
        enum fault again = whole_head_parse(&parse, head, is_response, &reader, &headers);
        assert(again == fault);
        assert(fault != FAULT_NONE || memcmp(&parse.opinion, opinion, sizeof(*opinion)) == 0);
        arena_clear(&arena);
    }
}

/* `head` is what the scanner accepted: what h1_parse accepts a run over all of it accepts too, and
 * they mean the same. */
static inline void whole_head_check(struct slice head, bool is_response)
{
    static const http_parser_settings SETTINGS = {.on_headers_complete = whole_head_on_complete};
    http_parser parser, at_end = {0};
    struct arena arena;
    const struct h1_head_reader reader = {.arena = &arena};
    struct headers headers;
    struct h1_parse parse;

    arena_init(&arena);
    enum fault fault = whole_head_parse(&parse, head, is_response, &reader, &headers);
    const struct h1_opinion *opinion = &parse.opinion;
    if (headers.count < HEADERS_MAX)
        whole_head_check_fields(head, &headers);
    whole_head_check_notes(head, is_response, fault, &headers);
    whole_head_check_memory(head, is_response, fault, opinion);
    http_parser_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
    parser.data = &at_end;
    size_t used = http_parser_execute(&parser, &SETTINGS, head.start, head.length);
    bool is_accepted = HTTP_PARSER_ERRNO(&parser) == HPE_OK && used == head.length;

    bool is_mistaken = HTTP_PARSER_ERRNO(&parser) == HPE_UNEXPECTED_CONTENT_LENGTH &&
                       whole_head_has_likeness(&headers);
    assert(is_accepted || is_mistaken || fault != FAULT_NONE);
    if (is_accepted && fault == FAULT_NONE) {
        const unsigned upgrades = F_UPGRADE | F_CONNECTION_UPGRADE;
        assert(opinion->content_length == at_end.content_length);
        assert(opinion->minor_version == at_end.http_minor && at_end.http_major == 1);
        assert(opinion->is_chunked == ((at_end.flags & F_CHUNKED) != 0));
        assert(opinion->closes == ((at_end.flags & F_CONNECTION_CLOSE) != 0));
        assert(opinion->keeps_alive == ((at_end.flags & F_CONNECTION_KEEP_ALIVE) != 0));
        assert(opinion->upgrades == ((at_end.flags & upgrades) == upgrades));
        assert(!is_response || opinion->status == (int)at_end.status_code);
    }
    arena_clear(&arena);
}
