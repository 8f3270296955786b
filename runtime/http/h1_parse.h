/*
 * h1_parse — a complete head taken apart into its start line and fields, with http-parser's opinion
 * of what it means.
 *
 * Lines are split here, where the scanner has left nothing to doubt. http-parser reads the start
 * line and the fields that it acts on (Connection, Proxy-Connection, Content-Length,
 * Transfer-Encoding, Upgrade) for h1_head to hold against its own reading; all it does with any
 * other field is to look for bytes that the scanner has refused already, at the price of a third of
 * a request. The fuzz targets hold this against a run over the whole head.
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
 * their ends. Faults: METHOD_UNKNOWN, the one for a head too large (more than HEADERS_MAX fields),
 * the one for a malformed head where http-parser refuses, or where it sees the end of the head
 * elsewhere.
 */
enum fault h1_parse_head(struct h1_parse *parse, struct slice head, bool is_response,
                         struct arena *arena, struct headers *headers);
