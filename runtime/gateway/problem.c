/*
 * problem — one error in three dresses: JSON, HTML, text.
 */
#include "gateway/problem.h"

#include "base/log.h"
#include "gateway/exchange_private.h"
#include "gateway/gateway.h"

enum dress { DRESS_JSON, DRESS_HTML, DRESS_TEXT };

#define HEADERS_OF_OURS_MAX 4
#define FIELDS_OF_FAULT_MAX 2

/* What follows "q=", in thousandths (RFC 9110, 12.4.2). */
static unsigned thousandths(struct slice text)
{
    unsigned value = 0, unit = 1000;

    for (size_t i = 0; i < text.length && unit > 0; i++) {
        if (text.start[i] == '.' && i == 1)
            continue;
        if (text.start[i] < '0' || text.start[i] > '9')
            break;
        value += (unsigned)(text.start[i] - '0') * unit;
        unit /= 10;
    }
    return value < 1000 ? value : 1000;
}

/* How much an element of Accept is wanted, 0 to 1000. */
static unsigned weight_of(struct slice element)
{
    size_t at = slice_find(element, ';');

    while (at < element.length) {
        struct slice rest = slice_after(element, at + 1);
        struct slice parameter = slice_trimmed(slice_of(rest.start, slice_find(rest, ';')));
        if (parameter.length > 2 && slice_lower(parameter.start[0]) == 'q' &&
            parameter.start[1] == '=')
            return thousandths(slice_after(parameter, 2));
        at += 1 + slice_find(rest, ';');
    }
    return 1000;
}

static bool names_dress(struct slice type, enum dress *dress)
{
    if (slice_equals_ignoring_case(type, SLICE("text/html")))
        *dress = DRESS_HTML;
    else if (slice_equals_ignoring_case(type, SLICE("text/plain")))
        *dress = DRESS_TEXT;
    else if (slice_equals_ignoring_case(type, SLICE("application/problem+json")) ||
             slice_equals_ignoring_case(type, SLICE("application/json")) ||
             slice_equals(type, SLICE("*/*")))
        *dress = DRESS_JSON;
    else
        return false;
    return true;
}

/* Of the types we speak the one that Accept wants most, the first of equals; else JSON. */
static enum dress dress_for(struct exchange *exchange)
{
    enum dress dress, best = DRESS_JSON;
    unsigned best_weight = 0;
    struct slice rest, element;

    if (exchange->request == NULL)
        return DRESS_JSON;
    rest = headers_joined(&exchange->request->headers, &exchange->arena, SLICE("accept"));
    while (slice_next_element(&rest, &element)) {
        struct slice type = slice_trimmed(slice_of(element.start, slice_find(element, ';')));
        unsigned weight = weight_of(element);
        if (weight > best_weight && names_dress(type, &dress)) {
            best = dress;
            best_weight = weight;
        }
    }
    return best;
}

static size_t escape_json(char *at, unsigned char c)
{
    static const char DIGITS[] = "0123456789abcdef";

    if (c == '"' || c == '\\') {
        at[0] = '\\';
        at[1] = (char)c;
        return 2;
    }
    if (c >= 0x20) {
        at[0] = (char)c;
        return 1;
    }
    memcpy(at, "\\u00", 4);
    at[4] = DIGITS[c >> 4];
    at[5] = DIGITS[c & 15];
    return 6;
}

static struct slice json_text(struct arena *arena, struct slice text)
{
    char *start = arena_alloc(arena, text.length * 6 + 1), *at = start;
    for (size_t i = 0; i < text.length; i++)
        at += escape_json(at, (unsigned char)text.start[i]);
    return slice_of(start, (size_t)(at - start));
}

static size_t escape_html(char *at, char c)
{
    const char *entity = c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : NULL;
    if (entity == NULL) {
        *at = c;
        return 1;
    }
    memcpy(at, entity, strlen(entity));
    return strlen(entity);
}

static struct slice html_text(struct arena *arena, struct slice text)
{
    char *start = arena_alloc(arena, text.length * 5 + 1), *at = start;
    for (size_t i = 0; i < text.length; i++)
        at += escape_html(at, text.start[i]);
    return slice_of(start, (size_t)(at - start));
}

static struct slice json_body(struct exchange *exchange, const struct problem *problem)
{
    struct arena *arena = &exchange->arena;
    struct slice detail = json_text(arena, problem->detail);
    struct slice id = json_text(arena, exchange_id(exchange));
    struct slice more = problem->extensions;

    return arena_format(arena,
                        "{\"type\":\"urn:moongate:problem:%.*s\",\"title\":\"%.*s\",\"status\":%d,"
                        "\"detail\":\"%.*s\",\"instance\":\"%.*s\"%s%.*s}\n",
                        SLICE_FORMAT(problem->type), SLICE_FORMAT(status_reason(problem->status)),
                        problem->status, SLICE_FORMAT(detail), SLICE_FORMAT(id),
                        more.length > 0 ? "," : "", SLICE_FORMAT(more));
}

static struct slice html_body(struct exchange *exchange, const struct problem *problem)
{
    struct arena *arena = &exchange->arena;
    struct slice title = status_reason(problem->status);
    struct slice detail = html_text(arena, problem->detail);
    struct slice id = html_text(arena, exchange_id(exchange));

    return arena_format(arena,
                        "<!doctype html>\n<title>%d %.*s</title>\n<h1>%d %.*s</h1>\n<p>%.*s</p>\n"
                        "<p><small>%.*s</small></p>\n",
                        problem->status, SLICE_FORMAT(title), problem->status, SLICE_FORMAT(title),
                        SLICE_FORMAT(detail), SLICE_FORMAT(id));
}

static struct slice text_body(struct exchange *exchange, const struct problem *problem)
{
    return arena_format(&exchange->arena, "%d %.*s\n%.*s\n%.*s\n", problem->status,
                        SLICE_FORMAT(status_reason(problem->status)), SLICE_FORMAT(problem->detail),
                        SLICE_FORMAT(exchange_id(exchange)));
}

struct reply problem_reply(struct exchange *exchange, const struct problem *problem)
{
    enum dress dress = dress_for(exchange);
    struct slice type = dress == DRESS_HTML   ? SLICE("text/html; charset=utf-8")
                        : dress == DRESS_TEXT ? SLICE("text/plain; charset=utf-8")
                                              : SLICE("application/problem+json");
    struct slice body = dress == DRESS_HTML   ? html_body(exchange, problem)
                        : dress == DRESS_TEXT ? text_body(exchange, problem)
                                              : json_body(exchange, problem);
    size_t count = problem->header_count;
    struct header *headers =
        arena_alloc(&exchange->arena, (count + HEADERS_OF_OURS_MAX) * sizeof(*headers));

    for (size_t i = 0; i < count; i++)
        headers[i] = problem->headers[i];
    headers[count++] =
        (struct header){.name = SLICE("content-type"), .value = type, .id = HEADER_CONTENT_TYPE};
    headers[count++] = (struct header){
        .name = SLICE("cache-control"), .value = SLICE("no-store"), .id = HEADER_CACHE_CONTROL};
    return (struct reply){problem->status, headers, count, body};
}

/* What the fields of an answer to a fault are, FIELDS_OF_FAULT_MAX at most; how many. */
static size_t fields_of_fault(struct exchange *exchange, enum fault fault, struct header *fields)
{
    const char *error = fault_proxy_status(fault);
    size_t count = 0;

    if (error != NULL)
        fields[count++] = (struct header){
            .name = SLICE("proxy-status"),
            .id = HEADER_PROXY_STATUS,
            .value = arena_format(&exchange->arena, "%.*s; error=%s",
                                  SLICE_FORMAT(gateway_options(exchange->gateway)->via), error)};
    if (exchange->record.retry_after_seconds > 0)
        fields[count++] = (struct header){
            .name = SLICE("retry-after"),
            .id = HEADER_RETRY_AFTER,
            .value = arena_format(&exchange->arena, "%u", exchange->record.retry_after_seconds)};
    return count;
}

struct reply problem_reply_of_fault(struct exchange *exchange, enum fault fault)
{
    struct header fields[FIELDS_OF_FAULT_MAX];
    struct problem problem = {
        .status = fault_status(fault),
        .type = slice_from_string(fault_type(fault)),
        .detail = slice_from_string(fault_text(fault)),
        .headers = fields,
    };

    problem.header_count = fields_of_fault(exchange, fault, fields);
    return problem_reply(exchange, &problem);
}
