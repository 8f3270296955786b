/*
 * h1_head — a complete, scanned HTTP/1 head into a request or a response, through http-parser.
 *
 * Applies the rules that need whole fields: Host, Content-Length, Transfer-Encoding,
 * Connection, Expect, the target's form, bodies by status (RFC 9112, 3.2 and 6). Scanner and
 * http-parser must agree on where the head ends, or it is refused.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/message.h"

/* What a parsed head says of its connection, beside the message itself. */
struct h1_connection_terms {
    bool keeps_alive; /* by version and Connection */
};

/* `head` is what the scanner accepted, already in memory that lives as long as `arena`. FAULT_NONE, or a fault with the offset where it lies (0: unknown). */
enum fault h1_head_parse_request(struct slice head, bool is_tls, struct arena *arena, struct request *request,
                                 struct h1_connection_terms *terms, size_t *fault_offset);
/* `request_method` decides about bodies (HEAD, CONNECT); an Upgrade is taken only for 101. */
enum fault h1_head_parse_response(struct slice head, enum method request_method, struct arena *arena,
                                  struct response *response, struct h1_connection_terms *terms,
                                  size_t *fault_offset);
