/*
 * byte_ranges — which bytes of a representation a Range field asks for (RFC 9110, 14).
 */
#pragma once

#include <stdint.h>

#include "base/slice.h"

/* More in one field is an attack (RFC 9110, 17.15), not a need. */
#define BYTE_RANGES_MAX 16

struct byte_range {
    uint64_t first, last; /* both included */
};

enum byte_ranges_result {
    BYTE_RANGES_NONE,         /* no bytes=, malformed, too many: the whole is the answer */
    BYTE_RANGES_SATISFIABLE,  /* 206 */
    BYTE_RANGES_UNSATISFIABLE /* 416: well-formed, and none of them begins within the bytes */
};

struct byte_ranges {
    struct byte_range
        items[BYTE_RANGES_MAX]; /* in the order asked for; those beyond the end left out */
    unsigned count;
};

/*
 * Of `bytes` bytes in all. Ranges that touch or overlap become one. Several that are the whole
 * together, more than two overlaps, and more than BYTE_RANGES_MAX are answered with the whole.
 */
enum byte_ranges_result byte_ranges_parse(struct slice field, uint64_t bytes,
                                          struct byte_ranges *ranges);
