/*
 * h1_opinion — runs of http-parser, and a table of those that ended well, one place for each hash.
 */
#include "http/h1_opinion.h"

#include <http_parser.h>

#include "base/mem.h"
#include "net/loop.h"

struct remembered {
    char text[H1_OPINION_TEXT_BYTES_MAX];
    uint16_t length; /* 0: nothing is remembered here */
    bool is_response;
    struct h1_opinion opinion;
};

struct h1_opinions {
    struct remembered places[H1_OPINIONS_MAX];
    struct host_memory hosts;
};

struct h1_opinions *h1_opinions_create(void)
{
    return mem_zeroed(sizeof(struct h1_opinions));
}

void h1_opinions_destroy(struct h1_opinions **opinions)
{
    free(*opinions);
    *opinions = NULL;
}

struct host_memory *h1_opinions_hosts(struct h1_opinions *opinions)
{
    return &opinions->hosts;
}

static void *create(void)
{
    return h1_opinions_create();
}

static const struct loop_kind KIND = {create, free};

struct h1_opinions *h1_opinions_of(struct loop *loop)
{
    return loop_keep(loop, &KIND);
}

struct run {
    struct h1_opinion *opinion;
    bool is_complete; /* http-parser has seen the end of the head */
};

/* "2" ends the run with the head: bodies and tunnels are not http-parser's to find. */
static int on_headers_complete(http_parser *parser)
{
    const unsigned upgrades = F_UPGRADE | F_CONNECTION_UPGRADE;
    struct run *run = parser->data;

    run->is_complete = true;
    *run->opinion = (struct h1_opinion){
        .content_length = parser->content_length,
        .status = (uint16_t)parser->status_code,
        .minor_version = (uint8_t)parser->http_minor,
        .is_chunked = (parser->flags & F_CHUNKED) != 0,
        .closes = (parser->flags & F_CONNECTION_CLOSE) != 0,
        .keeps_alive = (parser->flags & F_CONNECTION_KEEP_ALIVE) != 0,
        .upgrades = (parser->flags & upgrades) == upgrades,
    };
    return 2;
}

static const http_parser_settings SETTINGS = {.on_headers_complete = on_headers_complete};

/* It must use every byte, and see the end of the head with the last one. */
static bool run_over(http_parser *parser, const struct h1_question *question, size_t *used)
{
    const struct slice *pieces = question->pieces;
    const struct run *run = parser->data;

    *used = 0;
    for (size_t i = 0; i < question->count; i++) {
        if (run->is_complete)
            return false;
        size_t taken = http_parser_execute(parser, &SETTINGS, pieces[i].start, pieces[i].length);
        *used += taken;
        if (taken != pieces[i].length || HTTP_PARSER_ERRNO(parser) != HPE_OK)
            return false;
    }
    return run->is_complete && parser->http_major == 1 && parser->http_minor <= 1;
}

/* The token that http-parser takes for the method must be the method. */
static bool is_method_of(const http_parser *parser, struct slice head)
{
    struct slice method = slice_of(head.start, slice_find(head, ' '));
    return slice_equals(method,
                        slice_from_string(http_method_str((enum http_method)parser->method)));
}

static enum fault ask(const struct h1_question *question, struct h1_opinion *opinion, size_t *used)
{
    const bool is_response = question->is_response;
    struct run run = {.opinion = opinion};
    http_parser parser;

    http_parser_init(&parser, is_response ? HTTP_RESPONSE : HTTP_REQUEST);
    parser.data = &run;
    bool is_sound = run_over(&parser, question, used);
    if (is_response)
        return is_sound ? FAULT_NONE : FAULT_UPSTREAM_MALFORMED;
    if (HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD)
        return FAULT_METHOD_UNKNOWN;
    if (!is_sound)
        return FAULT_REQUEST_MALFORMED;
    return is_method_of(&parser, question->pieces[0]) ? FAULT_NONE : FAULT_METHOD_UNKNOWN;
}

/* The pieces in one, where that fits; else empty. */
static struct slice join(const struct h1_question *question, char text[H1_OPINION_TEXT_BYTES_MAX])
{
    const struct slice *pieces = question->pieces;
    size_t length = 0;

    for (size_t i = 0; i < question->count; i++) {
        if (pieces[i].length > H1_OPINION_TEXT_BYTES_MAX - length)
            return SLICE("");
        memcpy(text + length, pieces[i].start, pieces[i].length);
        length += pieces[i].length;
    }
    return slice_of(text, length);
}

/* Whoever chooses texts that meet in one place makes http-parser run, no more. */
static size_t place_of(struct slice text)
{
    uint64_t hash = text.length, word = 0;

    for (; text.length >= 8; text = slice_after(text, 8)) {
        memcpy(&word, text.start, 8);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    if (text.length > 0)
        hash = (hash ^ slice_word(text.start, text.length)) * 0x9e3779b97f4a7c15u;
    return (hash ^ hash >> 29) % H1_OPINIONS_MAX;
}

enum fault h1_opinion_ask(struct h1_opinions *opinions, const struct h1_question *question,
                          struct h1_opinion *opinion, size_t *used)
{
    char text[H1_OPINION_TEXT_BYTES_MAX];
    struct slice joined = opinions != NULL ? join(question, text) : SLICE("");

    if (joined.length == 0)
        return ask(question, opinion, used);
    struct remembered *place = &opinions->places[place_of(joined)];
    if (place->is_response == question->is_response &&
        slice_equals(slice_of(place->text, place->length), joined)) {
        *opinion = place->opinion;
        *used = joined.length;
        return FAULT_NONE;
    }
    enum fault fault = ask(question, opinion, used);
    if (fault == FAULT_NONE) {
        memcpy(place->text, joined.start, joined.length);
        place->length = (uint16_t)joined.length;
        place->is_response = question->is_response;
        place->opinion = *opinion;
    }
    return fault;
}
