/*
 * stored_answer — conditions in their order, then ranges, then the whole.
 */
#include "cache/stored_answer.h"

#include "crypto/sha256.h"
#include "http/entity_tag.h"
#include "http/http_date.h"

/* Age, Content-Range or Content-Type, and what the caller adds: Cache-Status, Date, Via. */
#define FIELDS_ADDED   8
#define BOUNDARY_BYTES 16

/* What describes a body that a 304 does not have (RFC 9110, 15.4.5). */
#define BODY_FIELDS                                                            \
    (HEADERS_BIT(HEADER_CONTENT_TYPE) | HEADERS_BIT(HEADER_CONTENT_ENCODING) | \
     HEADERS_BIT(HEADER_CONTENT_RANGE))

/* ---- conditions ---- */

static bool is_since(const struct request *request, int64_t last_modified, double now)
{
    const struct header *header = headers_find_known(&request->headers, HEADER_IF_MODIFIED_SINCE);
    int64_t since;

    return header != NULL && http_date_parse(header->value, (int64_t)now, &since) &&
           last_modified <= since;
}

/* If-None-Match alone where it is there (RFC 9110, 13.2.2). Without Last-Modified the Date takes
 * its place (RFC 9111, 4.3.2). */
static bool is_unmodified(const struct cache_request *asked, struct slice etag,
                          int64_t last_modified, double now)
{
    const struct request *request = asked->request;

    if (!asked->is_conditional)
        return false;
    if (headers_find_known(&request->headers, HEADER_IF_NONE_MATCH) != NULL)
        return entity_tag_is_in(&request->headers, HEADER_IF_NONE_MATCH, etag);
    return is_since(request, last_modified, now);
}

bool stored_answer_is_unmodified(const struct cache_request *asked, const struct response *response,
                                 double now)
{
    const struct header *etag = headers_find_known(&response->headers, HEADER_ETAG);
    const struct header *date = headers_find_known(&response->headers, HEADER_LAST_MODIFIED);
    int64_t last_modified = INT64_MAX;

    if (response->status != 200 || !asked->is_conditional)
        return false;
    if (date != NULL && !http_date_parse(date->value, (int64_t)now, &last_modified))
        last_modified = INT64_MAX;
    return is_unmodified(asked, etag != NULL ? etag->value : SLICE_NONE, last_modified, now);
}

/* Strong: a tag that is, or a date that names one state as the answer was made a second later
 * (RFC 9110, 8.8.2.2, 13.1.5). */
static bool permits_range(const struct cache_request *asked, const struct stored_head *head)
{
    const struct header *header = headers_find_known(&asked->request->headers, HEADER_IF_RANGE);
    int64_t date;

    if (header == NULL)
        return true;
    if (entity_tag_is_valid(header->value))
        return entity_tag_equals_strongly(header->value, head->etag);
    return http_date_parse(header->value, head->date, &date) && date == head->last_modified &&
           head->date > head->last_modified;
}

/* ---- the head ---- */

static void begin(struct stored_answer *answer, const struct stored_head *head, int status,
                  uint64_t without, struct arena *arena)
{
    *answer = (struct stored_answer){
        .response = {.status = status,
                     .reason = status == head->status ? head->reason : status_reason(status),
                     .minor_version = 1,
                     .content_length = MESSAGE_LENGTH_UNKNOWN},
        .after = SLICE("")};
    stored_head_fields(head, without, FIELDS_ADDED, &answer->response.headers, arena);
}

static struct slice number_text(uint64_t number, struct arena *arena)
{
    char digits[SLICE_DIGITS_MAX];
    return arena_copy(arena, slice_of_uint64(number, digits));
}

/* Whole seconds, rounded down; every answer that was stored has it (RFC 9111, 5.1). */
static void add_age(struct response *response, const struct stored_head *head, double now,
                    struct arena *arena)
{
    double age = freshness_age(&head->freshness, now);
    uint64_t seconds = age < (double)CACHE_SECONDS_MAX ? (uint64_t)age : CACHE_SECONDS_MAX;

    headers_add_known(&response->headers, arena, HEADER_AGE, number_text(seconds, arena));
}

static struct slice content_range(const struct byte_range *range, uint64_t bytes,
                                  struct arena *arena)
{
    return arena_format(arena, "bytes %llu-%llu/%llu", (unsigned long long)range->first,
                        (unsigned long long)range->last, (unsigned long long)bytes);
}

/* ---- bodies ---- */

static void set_length(struct response *response, const struct cache_request *asked, uint64_t bytes)
{
    response->content_length = bytes;
    if (asked->request->method == METHOD_HEAD || status_has_no_body(response->status))
        response->body = BODY_NONE;
    else
        response->body = bytes == MESSAGE_LENGTH_UNKNOWN ? BODY_STREAMED : BODY_LENGTH;
    if (status_has_no_body(response->status))
        response->content_length = MESSAGE_LENGTH_UNKNOWN;
}

static void add_part(struct stored_answer *answer, struct slice before, uint64_t first,
                     uint64_t bytes)
{
    answer->parts[answer->part_count++] = (struct stored_answer_part){before, first, bytes};
}

static void make_whole(struct stored_answer *answer, const struct cache_request *asked,
                       const struct stored_head *head, uint64_t bytes, struct arena *arena)
{
    begin(answer, head, head->status, 0, arena);
    set_length(&answer->response, asked, bytes);
    if (answer->response.body == BODY_NONE || bytes == 0)
        return;
    answer->parts = arena_alloc(arena, sizeof(*answer->parts));
    add_part(answer, SLICE(""), 0, bytes);
}

static void make_unmodified(struct stored_answer *answer, const struct stored_head *head,
                            struct arena *arena)
{
    begin(answer, head, 304, BODY_FIELDS, arena);
    headers_remove(&answer->response.headers, SLICE("content-language"));
    headers_remove(&answer->response.headers, SLICE("content-md5"));
}

static void make_unsatisfiable(struct stored_answer *answer, const struct stored_head *head,
                               uint64_t bytes, struct arena *arena)
{
    begin(answer, head, 416, BODY_FIELDS, arena);
    answer->response.body = BODY_LENGTH;
    answer->response.content_length = 0;
    headers_add_known(&answer->response.headers, arena, HEADER_CONTENT_RANGE,
                      arena_format(arena, "bytes */%llu", (unsigned long long)bytes));
}

static void make_single(struct stored_answer *answer, const struct stored_head *head,
                        const struct byte_range *range, uint64_t bytes, struct arena *arena)
{
    uint64_t length = range->last - range->first + 1;

    begin(answer, head, 206, HEADERS_BIT(HEADER_CONTENT_RANGE), arena);
    headers_add_known(&answer->response.headers, arena, HEADER_CONTENT_RANGE,
                      content_range(range, bytes, arena));
    answer->response.body = BODY_LENGTH;
    answer->response.content_length = length;
    answer->parts = arena_alloc(arena, sizeof(*answer->parts));
    add_part(answer, SLICE(""), range->first, length);
}

/*
 * What no body has: nobody knows it before the answer is made, as both moments are known to
 * microseconds here alone.
 */
static struct slice make_boundary(const struct stored_answer_source *source, struct arena *arena)
{
    char digest[SHA256_BYTES];
    char *text = arena_alloc(arena, (size_t)BOUNDARY_BYTES * 2);
    double moments[2] = {source->head->freshness.received, source->now};

    sha256_of(slice_of((const char *)moments, sizeof(moments)), digest);
    for (size_t i = 0; i < BOUNDARY_BYTES; i++) {
        unsigned char byte = (unsigned char)digest[i];
        text[2 * i] = "0123456789abcdef"[byte >> 4];
        text[2 * i + 1] = "0123456789abcdef"[byte & 15];
    }
    return slice_of(text, (size_t)BOUNDARY_BYTES * 2);
}

/* A delimiter, and the stored type, which all parts have. */
static struct slice part_start(struct slice boundary, struct slice type, struct arena *arena)
{
    if (type.start == NULL)
        return arena_format(arena, "\r\n--%.*s\r\n", SLICE_FORMAT(boundary));
    return arena_format(arena, "\r\n--%.*s\r\nContent-Type: %.*s\r\n", SLICE_FORMAT(boundary),
                        SLICE_FORMAT(type));
}

static struct slice part_head(struct slice start, struct slice range, struct arena *arena)
{
    return arena_format(arena, "%.*sContent-Range: %.*s\r\n\r\n", SLICE_FORMAT(start),
                        SLICE_FORMAT(range));
}

/* RFC 9110, 14.6. */
static void make_multipart(struct stored_answer *answer, const struct stored_answer_source *source,
                           const struct byte_ranges *ranges, struct arena *arena)
{
    struct slice boundary = make_boundary(source, arena);
    struct headers *headers = &answer->response.headers;

    begin(answer, source->head, 206, HEADERS_BIT(HEADER_CONTENT_RANGE), arena);
    struct slice type = headers_joined(headers, arena, SLICE("content-type"));
    struct slice start = part_start(boundary, type, arena);
    headers_set_known(
        headers, arena, HEADER_CONTENT_TYPE,
        arena_format(arena, "multipart/byteranges; boundary=%.*s", SLICE_FORMAT(boundary)));
    answer->after = arena_format(arena, "\r\n--%.*s--\r\n", SLICE_FORMAT(boundary));
    answer->response.body = BODY_LENGTH;
    answer->response.content_length = answer->after.length;
    answer->parts = arena_alloc(arena, ranges->count * sizeof(*answer->parts));
    for (unsigned i = 0; i < ranges->count; i++) {
        const struct byte_range *range = &ranges->items[i];
        uint64_t bytes = range->last - range->first + 1;
        struct slice before = part_head(start, content_range(range, source->bytes, arena), arena);
        add_part(answer, before, range->first, bytes);
        answer->response.content_length += before.length + bytes;
    }
}

static bool may_be_ranges(const struct cache_request *asked,
                          const struct stored_answer_source *source)
{
    return asked->range.start != NULL && source->head->status == 200 &&
           source->bytes != MESSAGE_LENGTH_UNKNOWN && permits_range(asked, source->head);
}

static bool make_ranges(struct stored_answer *answer, const struct cache_request *asked,
                        const struct stored_answer_source *source, struct arena *arena)
{
    struct byte_ranges *ranges;

    if (!may_be_ranges(asked, source))
        return false;
    ranges = arena_alloc(arena, sizeof(*ranges));
    switch (byte_ranges_parse(asked->range, source->bytes, ranges)) {
    case BYTE_RANGES_NONE:
        return false;
    case BYTE_RANGES_UNSATISFIABLE:
        make_unsatisfiable(answer, source->head, source->bytes, arena);
        return true;
    case BYTE_RANGES_SATISFIABLE:
        break;
    }
    if (ranges->count == 1)
        make_single(answer, source->head, &ranges->items[0], source->bytes, arena);
    else
        make_multipart(answer, source, ranges, arena);
    return true;
}

void stored_answer_make(struct stored_answer *answer, const struct cache_request *asked,
                        const struct stored_answer_source *source, struct arena *arena)
{
    const struct stored_head *head = source->head;
    int64_t modified = head->last_modified != INT64_MIN ? head->last_modified : head->date;

    if (head->status == 200 && is_unmodified(asked, head->etag, modified, source->now))
        make_unmodified(answer, head, arena);
    else if (!make_ranges(answer, asked, source, arena))
        make_whole(answer, asked, head, source->bytes, arena);
    add_age(&answer->response, head, source->now, arena);
}
