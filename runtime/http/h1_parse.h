/*
 * h1_parse — a complete head taken apart into its start line and fields, with http-parser's opinion
 * of how it is framed.
 *
 * Lines are split here, where the scanner has left nothing to doubt. http-parser is asked about the
 * start line, of whose target it sees the slash that it begins with, and about the fields that it
 * acts on (Connection, Proxy-Connection, Content-Length, Transfer-Encoding, Upgrade), for h1_head
 * to hold against its own reading. All it does with the rest is to look for bytes that the scanner
 * has refused already. The fuzz targets hold this against a run over the whole head.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/h1_opinion.h"
#include "http/headers.h"

struct h1_parse {
    struct slice method, target; /* of requests */
    struct slice reason;         /* of responses; may be empty */
    struct h1_opinion opinion;
    const char *culprit; /* of a fault, about where it lies */
};

/*
 * `head` is one that the scanner accepted. Fields go into `headers`, values without blanks at
 * their ends. Faults: METHOD_UNKNOWN, the one for a head too large (more than HEADERS_MAX fields),
 * the one for a malformed head where http-parser refuses, or where it sees the end of the head
 * elsewhere. `opinions` may be NULL.
 */
enum fault h1_parse_request(struct h1_parse *parse, struct slice head, struct h1_opinions *opinions,
                            struct arena *arena, struct headers *headers);
enum fault h1_parse_response(struct h1_parse *parse, struct slice head,
                             struct h1_opinions *opinions, struct arena *arena,
                             struct headers *headers);
