/*
 * admission_parts — what an admission consists of: shared by admission.c, which decides whose turn
 * it is, and call_admission.c, which is one call's side.
 */
#pragma once

#include "net/timeout.h"
#include "shm/gates.h"
#include "upstream/admission.h"

struct admission {
    struct admission_options options;
    struct cluster *cluster;
    uint32_t number;
    bool has_number;

    struct list waiting; /* struct call_turn, the oldest first */
    unsigned count;
    double standing_since; /* since when some have been waiting */
    struct timeout tick;
    struct loop_deferred serve;
    struct list node; /* among those of the worker in which some wait */
};

/* A call's; in its arena. */
struct call_turn {
    struct list node;
    struct call *call;
    double joined, expires; /* monotonic, as all times here */
    double started;         /* since when it waits for the upstream: admitted, and all of it sent */
    uint64_t active;        /* as gate_enter() told */
    bool is_waiting, is_active;
    bool is_serving; /* it is its turn, if it can have a connection */
    bool is_denied;  /* it could not */
};

/* The gates, once there is something to count there. NULL: nothing is shared. */
const struct gates *admission_gates(struct admission *admission);
/* Puts the turn among those that wait; false when they are too many. */
bool admission_join(struct admission *admission, struct call_turn *turn);
void admission_leave(struct admission *admission, struct call_turn *turn, enum gate_wait how);
/* Whether there is a place for it, which it has then. */
bool admission_take(struct admission *admission, struct call_turn *turn);
void admission_give(struct admission *admission, struct call_turn *turn);
