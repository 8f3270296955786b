/*
 * gather — the requests of one exchange to several upstreams, side by side, and one document of
 * what they answered.
 *
 * One task waits for all of them: it is resumed when all have ended, or when one has that its plan
 * says somebody looks at. Answers are checked and kept here; what Lua does not ask for never
 * becomes a Lua string. Lives in the exchange's arena.
 */
#pragma once

#include "base/json_syntax.h"
#include "bridge/fetch.h"
#include "bridge/gather_plan.h"
#include "net/loop.h"

/* One part that has been asked. */
struct gather_ask {
    struct gather *gather;
    const struct gather_part *part;
    bool is_sent, has_ended, is_told;
    enum moon_gather_outcome outcome; /* once it has ended */
    enum fault fault;
    struct loop_deferred checking; /* of its answer may take more than one turn of the loop */
    struct fetch fetch;
    struct json_syntax syntax; /* while it is checked */
};

struct gather_place {
    struct gather_ask *ask; /* NULL: not asked */
    struct slice value;     /* start NULL: none */
};

struct gather {
    struct exchange *exchange;
    struct gather_plan *plan;
    double seconds; /* for all of it */
    struct loop *loop;
    struct task *waiting;                       /* NULL: none does */
    void (*settled)(struct exchange *exchange); /* ... who waits instead; NULL: nobody */
    bool is_early;                              /* it has begun before Lua came to it */
    struct timeout *deadline;                   /* NULL once it has been stopped */
    struct headers forwarded;                   /* of the client's request, what parts get */
    bool is_late;                               /* the deadline has passed */
    uint32_t left, failures;                    /* asked and not ended; ended without a value */
    uint32_t untold;                            /* ended, of interest, and not told of */
    struct gather_place places[];
};

/* Asks for those parts that are fixed. False when a field to forward is not what a request may
 * have. */
bool gather_begin(struct exchange *exchange, struct gather_plan *plan, double seconds);
/* Sends what has been asked for. `settled` is called once, later, when all have ended or one has
 * that its plan says somebody looks at; the gather may be gone after it. False: that is so by now,
 * and it is not called. */
bool gather_await(struct gather *gather, void (*settled)(struct exchange *exchange));
/* Breaks off what runs; what has ended stays. */
void gather_stop(struct gather *gather);
/* Before the exchange ends. */
void gather_clear(struct gather *gather);
