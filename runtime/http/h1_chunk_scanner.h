/*
 * h1_chunk_scanner — reads a chunked body's framing strictly (RFC 9112, 7.1), up to its trailers.
 *
 * http-parser, which reads the same bytes beside it, takes anything for a chunk's end, a
 * bare LF for a line's, blanks after a size and controls in extensions. Here a size is 1 to
 * 16 hexadecimal digits below 2^63, followed by CRLF or by extensions that keep to the
 * grammar (blanks only where it has BWS, but none right after the size), and data ends in CRLF.
 */
#pragma once

#include "base/slice.h"

struct h1_chunk_scanner {
    unsigned state;             /* of the machine in h1_chunk_scanner.c; 0 at the start */
    uint64_t left;              /* of the chunk's data */
    unsigned digits;            /* of the size being read */
    size_t extension_bytes_max; /* of one size line; of all of them together 16 times that */
    size_t line_extension_bytes;
    uint64_t total_extension_bytes;
};

enum h1_chunk {
    H1_CHUNK_MORE,     /* all input is used */
    H1_CHUNK_DATA,     /* data follows: `left` bytes of it */
    H1_CHUNK_TRAILERS, /* the last chunk's line ended: trailers or the empty line follow */
    H1_CHUNK_REFUSED   /* `*used` is the offset of the offending byte */
};

void h1_chunk_scanner_init(struct h1_chunk_scanner *scanner, size_t extension_bytes_max);
/* Reads framing until data or trailers follow; `*used` is how many bytes of `input` that took. */
enum h1_chunk h1_chunk_scanner_scan(struct h1_chunk_scanner *scanner, struct slice input,
                                    size_t *used);
/* `bytes` of the chunk's data, at most `left`, were taken. */
void h1_chunk_scanner_take(struct h1_chunk_scanner *scanner, uint64_t bytes);
