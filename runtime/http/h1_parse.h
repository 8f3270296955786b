/*
 * h1_parse — a complete head taken apart into its start line and fields, with http-parser's opinion
 * of how it is framed.
 *
 * Fields are those that the scanner has noted (h1_lines.h), or are taken again. http-parser is
 * asked about the start line, of whose target it sees the slash that it begins with, and about the
 * fields that it acts on (Connection, Proxy-Connection, Content-Length, Transfer-Encoding,
 * Upgrade), for h1_head to hold against its own reading. All it does with the rest is to look for
 * bytes that the scanner has refused already. The fuzz targets hold this against a run over the
 * whole head.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/h1_lines.h"
#include "http/h1_opinion.h"

struct h1_parse {
    struct slice method, target; /* of requests */
    struct slice reason;         /* of responses; may be empty */
    struct h1_opinion opinion;
    const char *culprit; /* of a fault, about where it lies */
};

/* What a reader of heads brings along. */
struct h1_head_reader {
    struct arena *arena;
    struct h1_opinions *opinions; /* of the loop; NULL: http-parser is asked each time */
    bool is_tls;                  /* the client's connection */
    const struct h1_lines *lines; /* what the scanner noted of this head; NULL: nothing */
};

/*
 * `head` is one that the scanner accepted, or a copy of it. Fields go into `headers`, which is
 * empty, values without blanks at their ends. Faults: METHOD_UNKNOWN, the one for a head too large
 * (more than HEADERS_MAX fields), the one for a malformed head where http-parser refuses, or where
 * it sees the end of the head elsewhere.
 */
enum fault h1_parse_request(struct h1_parse *parse, struct slice head,
                            const struct h1_head_reader *reader, struct headers *headers);
enum fault h1_parse_response(struct h1_parse *parse, struct slice head,
                             const struct h1_head_reader *reader, struct headers *headers);
