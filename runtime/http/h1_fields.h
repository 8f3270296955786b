/*
 * h1_fields — the fields of a head that frame the message or steer the connection.
 *
 * One walk over the table notes them; the rules of RFC 9112, 6 and 9 are applied to
 * the notes, against http-parser's opinion of the same fields.
 */
#pragma once

#include "http/h1_opinion.h"
#include "http/message.h"

/* More options than this in Connection are malformed: each costs a walk over the fields. */
#define H1_FIELDS_OPTIONS_MAX 64

/* The first of each, NULL when there is none; valid until fields are added. */
struct h1_fields {
    const struct header *host, *length, *coding, *upgrade;
    unsigned host_count, length_count, coding_count, upgrade_count;
    unsigned option_count; /* of Connection */
    bool closes, keeps_alive, nominates_upgrade;
    bool accepts_trailers; /* TE: trailers */
    bool expects_continue, expects_other;
    const struct header *culprit; /* what a fault below lies in; NULL: unknown */
};

void h1_fields_read(struct h1_fields *fields, const struct headers *headers);

/*
 * Body and length of a request: Transfer-Encoding is "chunked" alone, once, in 1.1, without
 * Content-Length; Content-Length is digits, once. Faults: REQUEST_MALFORMED, CODING_UNKNOWN
 * ("gzip, chunked").
 */
enum fault h1_fields_frame_request(struct h1_fields *fields, const struct h1_opinion *opinion,
                                   struct request *request);
/*
 * The same of a response whose status and method allow a body; `is_chunked` tells a streamed
 * body from one that lasts until the connection closes. Faults: UPSTREAM_MALFORMED,
 * UPSTREAM_CODING.
 */
enum fault h1_fields_frame_response(struct h1_fields *fields, const struct h1_opinion *opinion,
                                    struct response *response, bool *is_chunked);

/* By version and Connection; where http-parser reads that otherwise, closing wins. */
bool h1_fields_keep_alive(const struct h1_fields *fields, const struct h1_opinion *opinion);
/* Upgrade's value when Connection nominates it in 1.1; else start NULL. "h2c" counts as none. */
struct slice h1_fields_upgrade(const struct h1_fields *fields, const struct h1_opinion *opinion);
