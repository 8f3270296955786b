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
    struct fetch fetch;
    bool is_sent, has_ended, is_told;
    enum moon_gather_outcome outcome; /* once it has ended */
    enum fault fault;
    struct json_syntax syntax;     /* while its answer is checked, */
    struct loop_deferred checking; /* ... which may take more than one turn of the loop */
};

struct gather_place {
    struct gather_ask *ask; /* NULL: not asked */
    struct slice value;     /* start NULL: none */
};

struct gather {
    struct exchange *exchange;
    const struct gather_plan *plan;
    struct loop *loop;
    struct task *waiting;     /* NULL: none does */
    struct timeout *deadline; /* NULL once it has been stopped */
    struct headers forwarded; /* of the client's request, what parts get */
    bool is_late;             /* the deadline has passed */
    uint32_t left, failures;  /* asked and not ended; ended without a value */
    struct gather_place places[];
};

/* Breaks off what runs; what has ended stays. */
void gather_stop(struct gather *gather);
/* Before the exchange ends. */
void gather_clear(struct gather *gather);
