/*
 * h1_body — finds a body's data and its end: by length, chunked, or until the connection closes.
 *
 * Chunked bodies pass two machines over the same bytes: a strict scanner of our
 * own (size lines, extensions, terminators, trailers) and http-parser; where
 * they do not agree on data or end, the message is refused.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/message.h"

struct h1_body_chunked;

struct h1_body_limits {
    size_t extension_bytes_max; /* of one size line; of all of them together 16 times that */
    size_t trailer_bytes_max;   /* of all trailer lines with the empty one after them */
};

/* How a body is framed: as h1_head found it. */
struct h1_body_framing {
    enum message_body kind;
    uint64_t content_length; /* of BODY_LENGTH alone */
    bool is_chunked;         /* of BODY_STREAMED: else it lasts until the connection closes */
};

struct h1_body {
    enum message_body body;
    bool is_response, is_complete;
    uint64_t left;   /* BODY_LENGTH */
    uint64_t offset; /* bytes taken so far, framing included; after a fault: of the offence */
    struct h1_body_chunked *chunked; /* what reading chunks takes; NULL: it is not chunked */
};

/* BODY_NONE and a length of 0 are complete at once. Limits are above 0; they are copied. Only a
 * chunked body takes memory, until h1_body_clear(). */
void h1_body_init(struct h1_body *body, bool is_response, struct h1_body_framing framing,
                  const struct h1_body_limits *limits);
void h1_body_clear(struct h1_body *body);

/*
 * Takes the next run of data off the front of `*input`: moves `*input` past what was used and
 * sets `*data` (empty when framing alone was used), which points into the input. Call again while
 * `*input` is not empty and the body is not complete; what is left of `*input` then belongs to
 * the next message. Faults: REQUEST_MALFORMED or UPSTREAM_MALFORMED (see `is_response`), also for
 * Content-Length and Transfer-Encoding in trailers; REQUEST_HEAD_TOO_LARGE or
 * UPSTREAM_HEAD_TOO_LARGE for trailers beyond their limit.
 */
enum fault h1_body_read(struct h1_body *body, struct slice *input, struct slice *data);
/* The connection ended: FAULT_NONE if that ends the body, else CLIENT_GONE, UPSTREAM_INCOMPLETE. */
enum fault h1_body_end(struct h1_body *body);
/*
 * After completion: the trailer fields that may stand in trailers, copied into the arena; others
 * (HEADER_NOT_IN_TRAILERS) are dropped. Fault: the one for a head too large, beyond HEADERS_MAX.
 */
enum fault h1_body_trailers(const struct h1_body *body, struct arena *arena,
                            struct headers *trailers);
