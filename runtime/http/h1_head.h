/*
 * h1_head — a complete, scanned HTTP/1 head into a request or a response, through http-parser.
 *
 * Applies the rules that need whole fields: Host, Content-Length, Transfer-Encoding,
 * Connection, Expect, the target's form, bodies by status (RFC 9112, 3.2 and 6). Scanner,
 * http-parser and these rules must agree on where the head ends and on how the body is
 * framed, or it is refused. All fields stay in the table as they were sent, hop-by-hop ones
 * too (headers_remove_hop_by_hop takes those); but the authority of an absolute-form target
 * replaces Host.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/h1_parse.h"
#include "http/message.h"

/* What a parsed head says of its connection, beside the message itself. */
struct h1_connection_terms {
    bool keeps_alive;    /* by version and Connection; false for a body that lasts until close */
    bool is_last;        /* Connection: close: its sender sends no other request (RFC 9112, 9.6) */
    bool is_chunked;     /* of a BODY_STREAMED: else it lasts until the connection closes */
    size_t fault_offset; /* where the fault lies; 0 when something is missing */
};

/*
 * `head` is what the scanner accepted, already in memory that lives as long as the arena; it ends
 * in CRLF CRLF. Faults, with their offset in `terms`: REQUEST_MALFORMED, METHOD_UNKNOWN,
 * CODING_UNKNOWN, EXPECTATION_FAILED (only in 1.1), REQUEST_HEAD_TOO_LARGE. One dot at the end of
 * the authority's host is not part of `request->host`. A target of scheme "https" is refused where
 * `is_tls` is false.
 */
enum fault h1_head_parse_request(struct slice head, const struct h1_head_reader *reader,
                                 struct request *request, struct h1_connection_terms *terms);
/*
 * `request_method` decides about bodies (HEAD, CONNECT); an Upgrade is taken only for 101, and a
 * 101 without one is UPSTREAM_UPGRADE. A body on 1xx, 204 and a 2xx to CONNECT (Content-Length
 * other than 0, Transfer-Encoding) is UPSTREAM_MALFORMED; on HEAD and 304 Content-Length says
 * what would be. Other faults: UPSTREAM_CODING, UPSTREAM_HEAD_TOO_LARGE.
 */
enum fault h1_head_parse_response(struct slice head, enum method request_method,
                                  const struct h1_head_reader *reader, struct response *response,
                                  struct h1_connection_terms *terms);
