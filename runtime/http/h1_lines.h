/*
 * h1_lines — the fields of a head, each line checked and taken apart in one go while all of it is
 * there.
 *
 * The scanner's short way, and what becomes of it: h1_parse makes the message's table of the same
 * notes, so that no byte of a field is read twice. Passes exactly the lines that the scanner's
 * machine passes (see h1_scanner.h); whatever else there is, it leaves to that.
 */
#pragma once

#include "http/headers.h"

struct h1_lines {
    const char *head;   /* the first byte of the head whose fields these all are; NULL: of none */
    const char *fields; /* where the first line begins */
    uint32_t count;
    uint64_t ids;                     /* HEADERS_BIT of each */
    size_t bytes;                     /* of all as lines */
    struct header items[HEADERS_MAX]; /* into the head */
};

/* Nothing yet, of that head. The items are left as they are: they are many. */
static inline void h1_lines_begin(struct h1_lines *lines, const char *head)
{
    lines->head = head;
    lines->fields = NULL;
    lines->count = 0;
    lines->ids = 0;
    lines->bytes = 0;
}

/*
 * Takes lines from `at` on. Where it ends: at the CR of the empty line, at a line that is not all
 * there or is not well formed, or at the one too many for `lines` (NULL: noted nowhere).
 */
const char *h1_lines_take(struct h1_lines *lines, const char *at, const char *end);
