/*
 * decision — what the bridge knows of one exchange beyond the exchange itself.
 *
 * Made in the exchange's arena when Lua first has a part in it, and gone with it; exchange->task
 * points to it.
 */
#pragma once

#include "bridge/generation_private.h"
#include "bridge/ledger.h"
#include "bridge/limit_fields.h"
#include "gateway/problem.h"

/* A reply that Lua hands over in parts. */
struct decision_answer {
    int status;
    struct headers headers;
    struct slice body;
    bool is_problem;
    struct slice type, detail, extensions; /* of a problem */
};

struct decision {
    struct exchange *exchange;
    struct task *task;          /* of the phase that waits; NULL when none does */
    enum route_outcome outcome; /* of the matcher */
    struct decision_answer answer;
    unsigned response_failures; /* how often the response phase raised */
    struct gather *gather;      /* what is asked side by side; NULL: nothing */
    struct ledger ledger;       /* where the steps of its route are counted */
    struct limit_notes limits;  /* that the answer tells of */
    struct slice consumer;      /* the name of whose request it is; start NULL: nobody's so far */
    unsigned held_parts;        /* bits of what Lua keeps for the slot and may be large */
};

/* For decision_of(). */
struct decision *decision_create(struct exchange *exchange);

/* Made at the first call. */
static inline struct decision *decision_of(struct exchange *exchange)
{
    return exchange->task != NULL ? (struct decision *)exchange->task : decision_create(exchange);
}

/* The reply that Lua handed over; in the exchange's arena. */
struct reply decision_reply(struct decision *decision);

/* Where the exchange's request is matched: the admin listener has routes of its own. */
const struct route_matcher *decision_matcher(const struct exchange *exchange);
struct route_subject decision_subject(struct exchange *exchange);
/* The exchange goes by the route that exchange->match says. */
void decision_accept_route(struct exchange *exchange);
/* Whether load is shed by refusing it; notes when it may come again. To be asked once. */
bool decision_sheds(struct exchange *exchange, unsigned criticality);
/* What C runs by itself of the chain of its route, or of `use`. NULL: a reload has left no such
 * route. */
struct generation_native *decision_native(const struct exchange *exchange);
/* SNI of the client's connection; empty without TLS. */
struct slice decision_server_name(const struct exchange *exchange);

/* Steps are counted for the exchange's route from now on, none of which has begun. */
void decision_open_ledger(struct decision *decision);
/* What runs has raised: the step, or, where none has begun, the route's `when`. */
void decision_count_error(struct decision *decision);

/* What Lua keeps for the exchange's slot, where that may be large, goes. */
void decision_forget_state(struct exchange *exchange);

/* A body that was waited for cannot be had: the phase that waits is over, the client is told. */
void decision_fail_waiting(struct exchange *exchange, enum fault fault);
