/*
 * call_state — a call while it lasts: shared by call.c, which faces the user, call_attempt.c with
 * call_answer.c, which face the upstream, and call_twin.c, which makes another one like it.
 */
#pragma once

#include "upstream/call.h"
#include "upstream/call_admission.h"
#include "upstream/cluster_parts.h"
#include "upstream/dial.h"
#include "upstream/retry.h"

struct call {
    struct http_stream stream; /* what the user sees */
    struct cluster *cluster;
    const struct call_options *options;
    struct call_record record;
    double started; /* monotonic, as all times here */

    /* What the user has sent so far. */
    struct buffer body; /* while it may have to be sent again, or has nowhere to go yet */
    bool keeps_body, has_request, has_trailers, is_ended;

    /* The attempt under way: dialling, or on a stream, or neither between attempts. */
    struct target *target; /* of the last attempt, for the record */
    struct dial *dial;     /* in the arena, from the first one on */
    struct connection *connection;
    struct http_stream *inner;
    uint64_t acknowledged; /* of our bytes, before the head went out */
    double dial_started;
    double attempt_started;
    bool has_begun;  /* some attempt, which has not ended */
    bool is_active;  /* the target counts it */
    bool is_counted; /* ... and the cluster */
    bool is_trial;
    bool was_sent; /* at least the head */

    size_t tried_count;
    bool needs_fresh; /* a pooled connection had died: no more of them for this call */

    /* Of calls that are for one request, see call_twin.h. */
    bool has_rival; /* another one is under way: this one fails at once */
    bool is_twin;
    unsigned attempts_before; /* retries of the one whose twin it is */

    bool is_paused;  /* by the user */
    bool is_blocked; /* the inner stream takes no more body for now */
    bool owes_writable, told_sent;
    bool has_answer; /* some part of a response was handed on */
    bool has_response, is_response_ended, is_sent, is_tunnel;

    /* Waits for the next turn of the loop: what may not be told while the user is calling us. */
    struct loop_deferred deferred;
    enum fault fault;  /* the attempt failed: retry or report */
    bool is_untouched; /* when it failed */
    bool is_over;      /* on_failed was told */

    struct call_passes *passes; /* of circuit breakers; NULL: there are none */
    struct call_turn *turn;     /* among those of its upstream; NULL: all go at once */

    struct timeout *progress;
    struct timeout total;   /* armed for the calls that have one, which are few */
    uint64_t progress_mark; /* of acknowledged bytes, when sending was last looked at */

    /* Set before they are read, so that a new call need not clear them. */
    struct request request;                                           /* once has_request */
    struct headers trailers;                                          /* once has_trailers */
    struct target *tried[CALL_ATTEMPTS_MAX + HEDGE_ATTEMPTS_MAX + 1]; /* tried_count of them */
};

static inline struct loop *call_loop(const struct call *call)
{
    return call->cluster->clusters->loop;
}

/* Those that count for how many there may be. */
static inline unsigned call_attempts(const struct call *call)
{
    return call->attempts_before + call->record.attempts;
}

/* What is left for it; INFINITY: there is no limit. */
double call_seconds_left(const struct call *call);
/* Whether that is enough for another attempt. */
bool call_has_time(const struct call *call);
/* A call that has sent nothing yet, and counts nothing. */
struct call *call_create(struct cluster *cluster, const struct call_options *options,
                         const struct http_stream_events *events, void *data, struct arena *arena);
/* NULL: none may take another connection, or for a twin: none that was not tried. */
struct target *call_pick_target(struct call *call);
/* Begins an attempt. Neither of them tells the user anything before it returns. */
void call_attempt_start_on(struct call *call, struct target *target);
/* ... at a target of the cluster's choice. */
void call_attempt_start(struct call *call);
/* Ends the attempt, if one is under way, without a verdict: the connection goes back or is broken
 * off. */
void call_attempt_end(struct call *call);
/* Its target has no more to do with it; the connection is still ours. */
void call_attempt_settle(struct call *call);
/* Ends it as failed; what follows from that happens before the loop next waits. */
void call_attempt_fail(struct call *call, enum fault fault, const char *detail) COLD;
/* How the attempt under way has gone until now. */
struct cluster_answer call_answer(const struct call *call);
/* Sets the deadline for what the call is waiting for now. */
void call_watch(struct call *call);
/* A target that is not to be chosen any more while there is another one. */
void call_note_tried(struct call *call, struct target *target);
/* Whether all circuit breakers let it go; otherwise the record says when to ask again. */
bool call_breakers_admit(struct call *call);
/* What became of it: a fault, or with FAULT_NONE the status of the answer. The first word counts.
 */
void call_breakers_report(struct call *call, enum fault fault, int status);
/* The user is told something as soon as he is not calling us. */
void call_wake(struct call *call);
void call_tell_writable(struct call *call);
/* The progress deadline passed. */
void call_on_idle(void *data);
/* For the inner stream; `data` is the call. */
extern const struct http_stream_events CALL_INNER_EVENTS;
