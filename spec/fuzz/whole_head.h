/*
 * whole_head — http-parser over all of a head, to hold h1_parse against, which hands it a part.
 */
#pragma once

#include <assert.h>
#include <http_parser.h>

#include "http/h1_parse.h"

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

/* `head` is what the scanner accepted: what h1_parse accepts a run over all of it accepts too, and
 * they mean the same. */
static inline void whole_head_check(struct slice head, bool is_response)
{
    static const http_parser_settings SETTINGS = {.on_headers_complete = whole_head_on_complete};
    http_parser parser, at_end = {0};
    struct arena arena;
    struct headers headers = {0};
    struct h1_parse parse;

    arena_init(&arena);
    enum fault fault = h1_parse_head(&parse, head, is_response, &arena, &headers);
    http_parser_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
    parser.data = &at_end;
    size_t used = http_parser_execute(&parser, &SETTINGS, head.start, head.length);
    bool is_accepted = HTTP_PARSER_ERRNO(&parser) == HPE_OK && used == head.length;

    bool is_mistaken = HTTP_PARSER_ERRNO(&parser) == HPE_UNEXPECTED_CONTENT_LENGTH &&
                       whole_head_has_likeness(&headers);
    assert(is_accepted || is_mistaken || fault != FAULT_NONE);
    if (is_accepted && fault == FAULT_NONE) {
        const unsigned upgrades = F_UPGRADE | F_CONNECTION_UPGRADE;
        assert(parse.content_length == at_end.content_length);
        assert(parse.minor_version == at_end.http_minor && at_end.http_major == 1);
        assert(parse.is_chunked == ((at_end.flags & F_CHUNKED) != 0));
        assert(parse.closes == ((at_end.flags & F_CONNECTION_CLOSE) != 0));
        assert(parse.keeps_alive == ((at_end.flags & F_CONNECTION_KEEP_ALIVE) != 0));
        assert(parse.upgrades == ((at_end.flags & upgrades) == upgrades));
        assert(!is_response || parse.status == (int)at_end.status_code);
    }
    arena_clear(&arena);
}
