/*
 * answer_times — how long the answers of upstreams took lately, all workers' together, for
 * questions about their quantiles.
 *
 * Counts in buckets an eighth of an octave wide, from 61 microseconds to 128 seconds, of the last
 * ANSWER_TIMES_SECONDS (between one and two times half of that). What is not known exactly since
 * nobody waited for it may be told as the time that was waited: a quantile below stays what it is.
 *
 * An answer is one addition. The halves of the window have three places in turns: who is the first
 * of the next half clears the place that nobody adds to, and says then that it has begun.
 *
 * Repair: none is needed. Who is killed while he clears leaves it to the next to do so again; one
 * who was slow about it may clear what others have added meanwhile: some answers less, never a
 * wrong one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"
#include "shm/name_table.h"
#include "shm/segment.h"

#define ANSWER_TIMES_MAX     4095
#define ANSWER_TIMES_SECONDS 60.0
/* Fewer say nothing; of high quantiles more are needed, so that one lies beyond. */
#define ANSWER_TIMES_LEAST   20
#define ANSWER_TIMES_BUCKETS (8 * 21)
#define ANSWER_TIMES_PLACES  3

/* Of one upstream. Zeroed: none yet. */
struct answer_times {
    uint64_t half; /* the number of the one that has begun last */
    uint32_t counts[ANSWER_TIMES_PLACES][ANSWER_TIMES_BUCKETS]; /* of a half: its number modulo */
    uint64_t unused[3]; /* no two upstreams in one cache line */
};
_Static_assert(sizeof(struct answer_times) % 128 == 0, "upstreams begin at cache lines");

/* This process's view. */
struct answer_times_table {
    struct name_table names;
    struct answer_times *times; /* by the number of a name */
};

size_t answer_times_bytes(void);
/* The region `name`; false when the segment refuses it (see segment_allot). */
bool answer_times_init(struct answer_times_table *table, struct segment *segment, const char *name);
/* Those of that upstream, for good; NULL when ANSWER_TIMES_MAX others have some. */
struct answer_times *answer_times_of(const struct answer_times_table *table, struct slice upstream);

/* `now`: seconds of a clock that all processes share, here and below. */
void answer_times_add(struct answer_times *times, double seconds, double now);
/* What `quantile` (above 0, below 1) of them took at most, or an eighth more at most; 0: not known.
 * Walks over all buckets. */
double answer_times_quantile(struct answer_times *times, double quantile, double now);
