/*
 * validation — conditions upstream, and the head that a 304 leaves.
 */
#include "cache/validation.h"

#include "cache/stored_fields.h"
#include "http/entity_tag.h"
#include "http/http_date.h"

static struct slice last_modified_text(const struct stored_head *stored, struct arena *arena)
{
    return http_date_text(stored->last_modified, arena);
}

/* Both where both are there: origins that do not know entity tags look at the date
 * (RFC 9110, 13.1.3). */
void validation_prepare(struct headers *fields, const struct stored_head *stored,
                        struct arena *arena)
{
    headers_remove_known(fields, HEADER_IF_NONE_MATCH);
    headers_remove_known(fields, HEADER_IF_MODIFIED_SINCE);
    headers_remove_known(fields, HEADER_IF_RANGE);
    headers_remove_known(fields, HEADER_RANGE);
    if (stored == NULL)
        return;
    if (stored->etag.length > 0)
        headers_add_known(fields, arena, HEADER_IF_NONE_MATCH, stored->etag);
    if (stored->last_modified != INT64_MIN)
        headers_add_known(fields, arena, HEADER_IF_MODIFIED_SINCE,
                          last_modified_text(stored, arena));
}

static bool has_validator(const struct stored_head *stored)
{
    return stored->etag.length > 0 || stored->last_modified != INT64_MIN;
}

/* A 304 answers the one tag that was asked for, so it is for the stored answer, even where the tag
 * that it has itself differs: that is an origin's mistake, and the stored tag stays. */
enum validation validation_of(const struct stored_head *stored, const struct response *response)
{
    if (response->status == 304)
        return has_validator(stored) ? VALIDATION_CONFIRMED : VALIDATION_FOREIGN;
    return response->status >= 500 ? VALIDATION_FAILED : VALIDATION_REPLACED;
}

static bool is_before(const struct headers *headers, const struct header *header)
{
    const struct header *first = headers_find(headers, header->name);
    return first != header;
}

void validation_freshen(const struct stored_head *stored, const struct response *not_modified,
                        struct response *freshened, struct arena *arena)
{
    const struct headers *news = &not_modified->headers;
    uint32_t at = 0;

    *freshened = (struct response){.status = stored->status,
                                   .reason = arena_copy(arena, stored->reason),
                                   .minor_version = 1,
                                   .body = BODY_STREAMED,
                                   .content_length = MESSAGE_LENGTH_UNKNOWN};
    stored_head_fields(stored, HEADERS_BIT(HEADER_AGE), 0, &freshened->headers, arena);
    for (const struct header *header; (header = headers_next(news, &at)) != NULL;) {
        if (!stored_fields_is_updated(header) ||
            (header_flags_of(header->id) & HEADER_HOP_BY_HOP) != 0)
            continue;
        if (!is_before(news, header))
            headers_remove(&freshened->headers, header->name);
        headers_add(&freshened->headers, arena, header->name, header->value);
    }
}

static bool says_otherwise(const struct response *head, enum header_id id, struct slice stored)
{
    const struct header *header = headers_find_known(&head->headers, id);
    return header != NULL && !slice_equals(header->value, stored);
}

bool validation_agrees(const struct stored_head *stored, uint64_t bytes,
                       const struct response *head)
{
    int64_t modified;
    const struct header *header = headers_find_known(&head->headers, HEADER_LAST_MODIFIED);

    if (head->status != stored->status || head->status != 200)
        return false;
    if (head->content_length != MESSAGE_LENGTH_UNKNOWN && head->content_length != bytes)
        return false;
    if (says_otherwise(head, HEADER_ETAG, stored->etag))
        return false;
    return header == NULL || (http_date_parse(header->value, stored->date, &modified) &&
                              modified == stored->last_modified);
}
