/*
 * h1_scanner — reads the raw bytes of an HTTP/1 head strictly, before http-parser sees them.
 *
 * Debian's http-parser is non-strict: it takes a bare LF for a line's end, folds
 * lines, allows blanks before colons and any version. What two parsers could read
 * differently is refused here, with the byte offset of the offence.
 *
 * Passes what is well formed by its bytes alone: lines end in CRLF; a method is a
 * token of at most 32 bytes; a target has URI characters and no '#'; versions are
 * HTTP/1.0 and HTTP/1.1 (another HTTP/d.d is VERSION_UNSUPPORTED); a status is three
 * digits from 100 to 599, its reason may be empty and so may the space before it; a field
 * is a token, a colon, and a value without control characters but tab. Refused in
 * requests and responses alike: a line that begins with a blank, a blank before the colon,
 * bare CR or LF, NUL. What fields mean is h1_head's business.
 */
#pragma once

#include "base/fault.h"
#include "base/slice.h"
#include "http/h1_lines.h"

struct h1_scanner_limits {
    size_t head_bytes_max;   /* start line and fields; 431 or UPSTREAM_HEAD_TOO_LARGE */
    size_t target_bytes_max; /* 414; requests only */
};

/* Where a scan stands between two pieces of the same head, so that no byte is scanned twice. */
struct h1_scanner {
    struct h1_scanner_limits limits;
    bool is_response;
    unsigned state;       /* of the machine in h1_scanner.c */
    size_t offset;        /* scanned so far */
    size_t element_start; /* where the method, target, version or name being read began */
    enum fault fault;     /* once not FAULT_NONE, it stays */
    size_t fault_offset;
};

enum h1_scan { H1_SCAN_MORE, H1_SCAN_DONE, H1_SCAN_REFUSED };

void h1_scanner_init(struct h1_scanner *scanner, bool is_response,
                     const struct h1_scanner_limits *limits);
/* Reads fields and the empty line after them, without a start line: a chunked body's trailers. */
void h1_scanner_init_trailers(struct h1_scanner *scanner, bool is_response, size_t bytes_max);
/*
 * Scans `head`, all bytes received so far of this message (the same start again with more
 * at the end after H1_SCAN_MORE). H1_SCAN_DONE: the head is `scanner->offset` bytes, with its
 * empty line. At most one leading CRLF is part of a request's head (RFC 9112, 2.2).
 */
enum h1_scan h1_scanner_scan(struct h1_scanner *scanner, struct slice head);
/* The same; `lines->head` is NULL unless this call alone has seen all fields of the head. */
enum h1_scan h1_scanner_scan_lines(struct h1_scanner *scanner, struct slice head,
                                   struct h1_lines *lines);
