/*
 * h1_fields — framing and connection, read twice and believed when both agree.
 */
#include "http/h1_fields.h"

static void note(const struct header **first, unsigned *count, const struct header *header)
{
    if (*first == NULL)
        *first = header;
    (*count)++;
}

static OUT_OF_LINE void read_options(struct h1_fields *fields, struct slice list)
{
    struct slice option;
    while (slice_next_element(&list, &option)) {
        fields->option_count++;
        if (slice_equals_ignoring_case(option, SLICE("close")))
            fields->closes = true;
        else if (slice_equals_ignoring_case(option, SLICE("keep-alive")))
            fields->keeps_alive = true;
        else if (slice_equals_ignoring_case(option, SLICE("upgrade")))
            fields->nominates_upgrade = true;
    }
}

static void read_connection(struct h1_fields *fields, struct slice list)
{
    if (!slice_is_token(list, SLICE("keep-alive"))) {
        read_options(fields, list);
        return;
    }
    fields->option_count++; /* that alone, as most of them */
    fields->keeps_alive = true;
}

static OUT_OF_LINE void read_expect(struct h1_fields *fields, struct slice list)
{
    struct slice expectation;
    while (slice_next_element(&list, &expectation)) {
        if (slice_equals_ignoring_case(expectation, SLICE("100-continue")))
            fields->expects_continue = true;
        else
            fields->expects_other = true;
    }
}

/* Those that are read here. */
static const uint64_t FRAMING_FIELDS =
    HEADERS_BIT(HEADER_HOST) | HEADERS_BIT(HEADER_CONTENT_LENGTH) |
    HEADERS_BIT(HEADER_TRANSFER_ENCODING) | HEADERS_BIT(HEADER_UPGRADE) |
    HEADERS_BIT(HEADER_CONNECTION) | HEADERS_BIT(HEADER_EXPECT) | HEADERS_BIT(HEADER_TE);

void h1_fields_read(struct h1_fields *fields, const struct headers *headers)
{
    *fields = (struct h1_fields){0};
    uint32_t at = 0;
    if ((headers->ids & FRAMING_FIELDS) == 0)
        return;
    for (const struct header *h; (h = headers_next(headers, &at)) != NULL;) {
        if ((HEADERS_BIT(h->id) & FRAMING_FIELDS) == 0)
            continue;
        if (h->id == HEADER_HOST)
            note(&fields->host, &fields->host_count, h);
        else if (h->id == HEADER_CONTENT_LENGTH)
            note(&fields->length, &fields->length_count, h);
        else if (h->id == HEADER_TRANSFER_ENCODING)
            note(&fields->coding, &fields->coding_count, h);
        else if (h->id == HEADER_UPGRADE)
            note(&fields->upgrade, &fields->upgrade_count, h);
        else if (h->id == HEADER_CONNECTION)
            read_connection(fields, h->value);
        else if (h->id == HEADER_EXPECT)
            read_expect(fields, h->value);
        else if (h->id == HEADER_TE && slice_list_has(h->value, SLICE("trailers")))
            fields->accepts_trailers = true;
    }
}

/*
 * Framing fields may not end in blanks, legal as they are: readers differ on stripping them. The
 * value lies in the head, where a CR follows it.
 */
static bool ends_in_blank(const struct header *header)
{
    return header->value.start[header->value.length] != '\r';
}

/* One Content-Length of digits, up to 2^63 - 1. */
static bool read_length(struct h1_fields *fields, uint64_t *length)
{
    fields->culprit = fields->length;
    return fields->length_count == 1 && slice_to_uint64(fields->length->value, length) &&
           *length <= INT64_MAX && !ends_in_blank(fields->length);
}

/* One Transfer-Encoding in 1.1 without Content-Length, whatever its value. */
static bool may_have_coding(struct h1_fields *fields, const struct h1_opinion *opinion)
{
    fields->culprit = fields->coding;
    return fields->coding_count == 1 && fields->length_count == 0 && opinion->minor_version == 1;
}

static bool is_chunked_alone(const struct h1_fields *fields)
{
    return slice_equals_ignoring_case(fields->coding->value, SLICE("chunked")) &&
           !ends_in_blank(fields->coding);
}

/* Whether "chunked" ends a list of other codings, as in "gzip, chunked". */
static bool is_chunked_last(struct slice list)
{
    unsigned others = 0, chunked = 0;
    bool is_last = false;
    struct slice coding;
    while (slice_next_element(&list, &coding)) {
        is_last = slice_equals_ignoring_case(coding, SLICE("chunked"));
        if (is_last)
            chunked++;
        else
            others++;
    }
    return is_last && chunked == 1 && others > 0;
}

/* Whether http-parser found the same framing. */
static bool agree(enum message_body body, uint64_t length, bool is_chunked,
                  const struct h1_opinion *opinion)
{
    uint64_t expected = body == BODY_LENGTH ? length : MESSAGE_LENGTH_UNKNOWN;
    return opinion->content_length == expected && opinion->is_chunked == is_chunked;
}

enum fault h1_fields_frame_request(struct h1_fields *fields, const struct h1_opinion *opinion,
                                   struct request *request)
{
    request->body = BODY_NONE;
    request->content_length = MESSAGE_LENGTH_UNKNOWN;
    if (fields->coding != NULL) {
        if (!may_have_coding(fields, opinion))
            return FAULT_REQUEST_MALFORMED;
        if (!is_chunked_alone(fields))
            return is_chunked_last(fields->coding->value) ? FAULT_CODING_UNKNOWN
                                                          : FAULT_REQUEST_MALFORMED;
        request->body = BODY_STREAMED;
    } else if (fields->length != NULL) {
        if (!read_length(fields, &request->content_length))
            return FAULT_REQUEST_MALFORMED;
        request->body = BODY_LENGTH;
    }
    bool is_agreed =
        agree(request->body, request->content_length, request->body == BODY_STREAMED, opinion);
    return is_agreed ? FAULT_NONE : FAULT_REQUEST_MALFORMED;
}

enum fault h1_fields_frame_response(struct h1_fields *fields, const struct h1_opinion *opinion,
                                    struct response *response, bool *is_chunked)
{
    *is_chunked = false;
    response->body = BODY_STREAMED;
    response->content_length = MESSAGE_LENGTH_UNKNOWN;
    if (fields->coding != NULL) {
        if (!may_have_coding(fields, opinion))
            return FAULT_UPSTREAM_MALFORMED;
        if (!is_chunked_alone(fields))
            return FAULT_UPSTREAM_CODING;
        *is_chunked = true;
    } else if (fields->length != NULL) {
        if (!read_length(fields, &response->content_length))
            return FAULT_UPSTREAM_MALFORMED;
        response->body = BODY_LENGTH;
    }
    bool is_agreed = agree(response->body, response->content_length, *is_chunked, opinion);
    return is_agreed ? FAULT_NONE : FAULT_UPSTREAM_MALFORMED;
}

bool h1_fields_keep_alive(const struct h1_fields *fields, const struct h1_opinion *opinion)
{
    if (fields->closes || opinion->closes)
        return false;
    return opinion->minor_version == 1 || (fields->keeps_alive && opinion->keeps_alive);
}

struct slice h1_fields_upgrade(const struct h1_fields *fields, const struct h1_opinion *opinion)
{
    bool is_asked = fields->upgrade_count == 1 && fields->nominates_upgrade && opinion->upgrades &&
                    opinion->minor_version == 1;
    if (!is_asked || fields->upgrade->value.length == 0)
        return SLICE_NONE;
    return slice_list_has(fields->upgrade->value, SLICE("h2c")) ? SLICE_NONE
                                                                : fields->upgrade->value;
}
