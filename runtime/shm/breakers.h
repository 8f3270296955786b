/*
 * breakers — circuit breakers by name, whose verdict all workers share.
 *
 * A breaker counts what became of requests in a window of BREAKER_BUCKETS pieces. Too large a share
 * of failed ones, or of slow ones, opens it: requests are refused, until after `open_ms` a few are
 * let through as probes. When so many of them went well it closes; the first that does not opens it
 * again.
 *
 * State is one word, and so is each piece of the window; each is changed by compare-and-swap, and
 * without a breaker being opened a request costs one reading and one addition. A name keeps its
 * breaker over reloads, whatever its numbers are by then; with a shorter `open_ms` than before it
 * is tried at once.
 *
 * Repair: none is needed. A probe whose worker was killed gives no verdict, so that `open_ms` after
 * the first one others are let through in the place of those that have given none. Those count
 * all the same when they do in the end: an upstream may take longer to answer than `open_ms`.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "shm/name_table.h"
#include "shm/segment.h"

#define BREAKERS_MAX        4095
#define BREAKER_BUCKETS     8
#define BREAKER_PROBES_MAX  1000
#define BREAKER_MINIMUM_MAX 60000
/* Of windows and pauses: a day. */
#define BREAKER_MS_MAX 86400000U

struct breaker_words;

/* This process's view. */
struct breakers {
    struct name_table names;
    struct breaker_words *words; /* by the number of a name */
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker_options {
    uint32_t window_ms; /* at least BREAKER_BUCKETS */
    uint32_t open_ms;   /* for which requests are refused before the first probe */
    uint32_t minimum;   /* requests in the window before it is judged; 1 to BREAKER_MINIMUM_MAX */
    uint32_t probes;    /* that have to go well; 1 to BREAKER_PROBES_MAX */
    double failed_share, slow_share; /* in (0, 1]; above 1: not judged by that */
};

/* Of one request, from breaker_admit() to breaker_report(). */
struct breaker_pass {
    uint32_t number; /* of the breaker */
    bool is_refused;
    bool is_probe;
    uint64_t episode;        /* of the probe: how often it had opened; otherwise it is over */
    uint64_t until_ms;       /* of the probe: for which it has its place */
    uint32_t retry_after_ms; /* when refused: until there may be a probe */
};

enum breaker_outcome {
    BREAKER_WENT_WELL,
    BREAKER_WAS_SLOW,
    BREAKER_FAILED,
    BREAKER_FAILED_SLOWLY, /* both */
    BREAKER_UNKNOWN        /* it was given up before it could be told */
};

/* How what was reported has changed the breaker: for the log. */
enum breaker_change { BREAKER_UNCHANGED, BREAKER_OPENED, BREAKER_CLOSED_AGAIN };

size_t breakers_bytes(void);
/* The region `name`; false when the segment refuses it (see segment_allot). */
bool breakers_init(struct breakers *breakers, struct segment *segment, const char *name);

/*
 * The number of the breaker of that name, for good; NAME_NONE when BREAKERS_MAX others have one:
 * that one is never open.
 */
uint32_t breaker_number(const struct breakers *breakers, struct slice name);

/*
 * Whether a request may go, at `now_ms` of a clock that all processes share. One that is not
 * refused is reported exactly once.
 */
struct breaker_pass breaker_admit(const struct breakers *breakers, uint32_t number,
                                  const struct breaker_options *options, uint64_t now_ms);
enum breaker_change breaker_report(const struct breakers *breakers,
                                   const struct breaker_options *options,
                                   const struct breaker_pass *pass, enum breaker_outcome outcome,
                                   uint64_t now_ms);

/* For status and metrics. */
struct breaker_view {
    struct slice name; /* of the shared memory */
    enum breaker_state state;
    uint64_t opened;  /* how often, since there is that gateway */
    uint64_t refused; /* requests */
};

/* Closes the one of that name, whatever it had seen; false when there is none. */
bool breaker_reset(const struct breakers *breakers, struct slice name);
void breaker_view(const struct breakers *breakers, uint32_t number, struct breaker_view *view);
/* Visits all breakers, in no order; `*cursor` begins at 0. False when there are no more. */
bool breakers_next(const struct breakers *breakers, size_t *cursor, struct breaker_view *view);
