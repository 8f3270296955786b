/*
 * gates — how many requests an upstream gets at once, over all workers, and who waits for it.
 *
 * A gate is found by the name of its upstream. Who passes counts in a word of its own lane first
 * and adds up all lanes then: whoever comes last sees all others, so there are never more than the
 * limit; two that come for the last place at the same moment may both be told to wait. What a dead
 * worker had under way, its master zeroes.
 *
 * How the limit is learnt: gate_limit.h. Those that wait are their worker's; here is how many there
 * are, and which lanes are to be told when a place is free: one at a time, which tells the next.
 *
 * Repair: none is needed but that zeroing. A worker that is killed after it was told and before it
 * passed that on leaves others to look by themselves, which they do now and then while they wait.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/gate_limit.h"
#include "shm/series.h"

#define GATES_MAX 4095

/* What a gate has beside its counts, in two cache lines: what is read for each request is not where
 * something is written for each answer. */
struct gate_words {
    struct gate_limit limit;
    uint64_t waiters; /* lanes to be told, by their number modulo 64 */
    uint64_t turn;    /* so that they are told in turns */
    uint64_t unused_first[4];
    struct gate_window window;
    uint64_t limited;             /* requests that found the limit reached */
    uint64_t waited, waited_us;   /* those that had to wait and were let through, for how long */
    uint64_t expired, overflowed; /* those that waited in vain, or found no room to wait */
};
_Static_assert(sizeof(struct gate_words) == 128, "two cache lines");

/* The words of each lane: requests under way, requests that wait. */
enum gate_word { GATE_ACTIVE, GATE_QUEUED, GATE_WORDS };

/* This process's view. */
struct gates {
    struct series counts; /* names, and the words of lanes */
    struct gate_words *words;
    int *bells; /* NULL before gates_hang_bells() */
    uint32_t lanes, lane;
};

size_t gates_bytes(uint32_t lanes);
/* False when the segment refuses it. */
bool gates_init(struct gates *gates, struct segment *segment, uint32_t lanes);
/* Gives the process's own memory and descriptors back. */
void gates_clear(struct gates *gates);
/* From now on this process counts in `lane`. */
void gates_attach(struct gates *gates, uint32_t lane);
/* In the master, before it forks: the workers of those lanes can be told. */
bool gates_hang_bells(struct gates *gates, uint32_t first, uint32_t count);
/* The descriptor that becomes readable when this worker is told; -1: none. */
int gates_bell(const struct gates *gates);

/* The number of an upstream's gate, for good; 0 when GATES_MAX others have one: the gate of all
 * those, whose limit is never reached. */
uint32_t gate_number(const struct gates *gates, struct slice upstream);

/* One more request under way, unless the limit is reached (and `options` enforces it). `options`
 * NULL: there is no limit. `*active`: how many there are then, this one included. */
bool gate_enter(const struct gates *gates, uint32_t number, const struct gate_options *options,
                uint64_t *active);
/* It is over, and one of those that wait is told, as by gate_tell(). */
bool gate_leave(const struct gates *gates, uint32_t number);
/* What became of it; see gate_limit.h. */
void gate_report(const struct gates *gates, uint32_t number, const struct gate_options *options,
                 const struct gate_sample *sample);
/* The limit, once more, for a request that was not let through or only because nothing is. */
void gate_count_limited(const struct gates *gates, uint32_t number);

/* One more that waits, of `size` at most over all workers; false: no room, which is counted. */
bool gate_queue_join(const struct gates *gates, uint32_t number, uint32_t size);
enum gate_wait { GATE_WAIT_ENDED, GATE_WAIT_EXPIRED, GATE_WAIT_GIVEN_UP };
void gate_queue_leave(const struct gates *gates, uint32_t number, enum gate_wait how,
                      double seconds);
/* This lane is told when a place is free. Then look once more: it may just have become so. */
void gate_await(const struct gates *gates, uint32_t number);
/* One lane that waits is told; true: it is this one, which nobody has to tell. */
bool gate_tell(const struct gates *gates, uint32_t number);
/* Nobody waits in this lane any more. If it was told meanwhile, another one is. */
void gate_forgo(const struct gates *gates, uint32_t number);

/* For status and metrics. */
struct gate_view {
    struct slice name; /* of the shared memory */
    double limit;      /* 0: none has been learnt yet */
    double usual_seconds, recent_seconds;
    uint64_t active, queued, limited, waited, expired, overflowed;
    double waited_seconds;
};
/* Visits all gates, in no order; `*cursor` begins at 0. False when there are no more. */
bool gates_next(const struct gates *gates, size_t *cursor, struct gate_view *view);
/* Forgets what it has learnt; false when there is none of that name. */
bool gate_reset(const struct gates *gates, struct slice upstream);

/* In the master: a dead worker has nothing under way, and nobody who waits. */
void gates_forget_lane(const struct gates *gates, uint32_t lane);
