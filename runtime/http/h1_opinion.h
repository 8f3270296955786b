/*
 * h1_opinion — what http-parser makes of a head's framing, remembered by the very bytes it was
 * asked about.
 *
 * Heads differ in targets and fields, hardly in what frames them: of an API's requests and answers
 * nearly all have one of a few dozen texts left when the rest is taken out (see h1_parse.h). An
 * opinion depends on these bytes alone, so that the same bytes need not be asked about again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "base/slice.h"
#include "http/host_memory.h"

/* Remembered texts, and the longest of them: together 24 KiB a loop. */
#define H1_OPINIONS_MAX           128
#define H1_OPINION_TEXT_BYTES_MAX 144

struct loop;
struct h1_opinions; /* what was remembered */

struct h1_opinion {
    uint64_t content_length; /* UINT64_MAX when it saw none */
    uint16_t status;
    uint8_t minor_version;
    bool is_chunked, closes, keeps_alive, upgrades;
};

struct h1_opinions *h1_opinions_create(void);
void h1_opinions_destroy(struct h1_opinions **opinions);
/* Those of a loop, which destroys them: borrowed by who lives no longer. */
struct h1_opinions *h1_opinions_of(struct loop *loop);

/* Of the authorities in the same heads. */
struct host_memory *h1_opinions_hosts(struct h1_opinions *opinions);

/* The head that these pieces are, one after the other. */
struct h1_question {
    const struct slice *pieces;
    size_t count;
    bool is_response;
};

/*
 * `opinions` may be NULL: nothing is remembered. Faults: METHOD_UNKNOWN, or the one for a malformed
 * head, with the offset within the pieces in `*used`; the pieces' whole length where the head
 * should have ended and did not.
 */
enum fault h1_opinion_ask(struct h1_opinions *opinions, const struct h1_question *question,
                          struct h1_opinion *opinion, size_t *used);
