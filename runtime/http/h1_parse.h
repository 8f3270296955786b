/*
 * h1_parse — one run of http-parser over a complete head.
 *
 * Gives the parts of the start line and the fields as slices into the head, and what
 * http-parser makes of the framing, for h1_head to hold against its own reading.
 */
#pragma once

#include "base/arena.h"
#include "base/fault.h"
#include "http/headers.h"

struct h1_parse {
    struct slice method, target; /* of requests */
    struct slice reason;         /* of responses; may be empty */
    int status;
    unsigned minor_version;
    /* http-parser's own opinions. */
    bool is_chunked, closes, keeps_alive, upgrades;
    uint64_t content_length; /* UINT64_MAX when it saw none */
    size_t used;             /* how far it came: after a fault, about where that lies */
};

/*
 * `head` is one that the scanner accepted. Fields go into `headers`, values without blanks at
 * their ends. Faults: METHOD_UNKNOWN, the one for a head too large (http-parser's own limit is
 * 80 KiB, ours HEADERS_MAX fields), the one for a malformed head where http-parser refuses, or
 * where it sees the end of the head elsewhere.
 */
enum fault h1_parse_head(struct h1_parse *parse, struct slice head, bool is_response,
                         struct arena *arena, struct headers *headers);
