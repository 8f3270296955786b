/*
 * cached_call_state — a cached call while it lasts: shared by cached_call.c, which faces the user,
 * cached_lookup.c, which looks the request up, cached_answer.c, which answers with what is stored,
 * and cached_pass.c, which lets answers pass.
 */
#pragma once

#include "cache/cached_call.h"
#include "cache/reuse.h"
#include "cache/stored_answer.h"

enum cached_step {
    CACHED_STARTING,
    CACHED_WAITING,   /* for what another request, here or elsewhere, has been sent for */
    CACHED_ASKING,    /* its fill asks */
    CACHED_ANSWERING, /* with what is stored, or being stored */
    CACHED_FILL_PASSING,
    CACHED_PASSING, /* over a call of its own, that the cache has no part in */
    CACHED_OVER
};

struct cached_call {
    struct http_stream stream; /* what the user sees */
    struct cached_call_options options;
    const struct request *request;
    struct cache_request asked;
    struct object_key key;
    struct slice rules, variant; /* of a key with variants; start NULL: it has none */
    struct object_hold marker;   /* where it has variants: held */
    double started;              /* loop_now */
    struct cache_status status;
    struct call_record record; /* while there is no call */

    struct http_stream *inner; /* PASSING */
    struct object_fill tee;    /* what passes there is stored, while is_teeing */
    struct fill *fill;         /* that was begun for it; looked at until the end */

    struct object_hold object; /* what it answers with, or waits for */
    struct slice metadata;     /* a copy of the object's, in the arena */
    struct stored_head head;
    struct object_wait wait;

    struct stored_answer answer;
    struct response *response; /* of ours or the upstream's, to be told */
    struct object_cursor cursor;
    uint64_t left; /* of the part; MESSAGE_LENGTH_UNKNOWN: to the end, wherever that is */
    struct loop_deferred deferred;

    enum cached_step step;
    enum fault fault; /* to be told */
    unsigned part;
    unsigned waits;          /* how often it has waited */
    enum object_doubt doubt; /* of what is found, or missed: of this request's kind */
    bool is_held, has_marker;
    bool has_head;      /* `head` is the object's */
    bool is_refreshing; /* it waits for the end of a refresh */
    bool is_flowing;    /* what is held is a window: shm/object_flow.h */
    bool is_teeing;
    bool is_part_begun, is_head_told, is_after_told;
    bool has_record;          /* there is no call any more */
    bool is_paused, is_ended; /* by the user: the latter is of the request */
};

static inline struct loop *cached_loop(const struct cached_call *call)
{
    return call->options.cache->loop;
}

static inline struct object_store *cached_store(const struct cached_call *call)
{
    return call->options.cache->store;
}

static inline double cached_now(const struct cached_call *call)
{
    return loop_now(cached_loop(call));
}

static inline uint64_t cached_now_ns(const struct cached_call *call)
{
    return http_cache_ns(call->options.cache, 0);
}

/* Looks it up, and does what follows. */
void cached_call_look_up(struct cached_call *call);
/* What it waits for has gone on. */
void cached_lookup_on_ready(struct object_wait *wait);
/* Over a call of its own. */
void cached_call_pass(struct cached_call *call, enum cache_forward forward);
/* The user is told as soon as he is not calling us. */
void cached_call_fail(struct cached_call *call, enum fault fault);
/* Lets go of what it answers with or waits for. */
void cached_call_let_go(struct cached_call *call);
void cached_call_let_go_of_marker(struct cached_call *call);
/* Reads the metadata of what is held. False: it cannot be used. */
bool cached_call_read_head(struct cached_call *call);
/* Answers with what is held and whose head has been read; with `response`, which has just come, as
 * the head of a plain GET. */
void cached_answer_begin(struct cached_call *call, struct response *response);
/* Tells what can be told now. Not from inside the user's calls. */
void cached_answer_go_on(struct cached_call *call);
/* As soon as nobody is calling us. */
void cached_call_wake(struct cached_call *call);
/* Cache-Status, as far as it is known. */
void cached_call_add_status(struct cached_call *call, struct response *response);
extern const struct fill_events CACHED_FILL_EVENTS;
