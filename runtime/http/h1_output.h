/*
 * h1_output — what one HTTP/1 connection has to say, queued until others have something to say or
 * the turn ends, and sent in one write.
 *
 * Small pieces are gathered, large ones go to the kernel at once together with what is queued; only
 * what the kernel does not take is copied. Holds at most window_bytes plus one piece before it says
 * that it is full. Nothing here calls back from inside a send: failures and progress are told from
 * the loop.
 */
#pragma once

#include "base/buffer.h"
#include "http/http_session.h"
#include "net/stream.h"
#include "net/timeout.h"

/* Pieces below this are copied into the queue; above, they are written from where they are. */
#define H1_OUTPUT_GATHER_BYTES 8192

struct h1_output_events {
    /* All that was queued is with the kernel. */
    void (*on_drained)(void *data);
    /* h1_output_is_full() was true, and no longer is. */
    void (*on_writable)(void *data);
    /* The peer takes nothing any more, or took nothing for too long (`is_timeout`). Once. */
    void (*on_broken)(void *data, bool is_timeout);
};

struct h1_output {
    struct stream *stream; /* the connection's */
    struct loop *loop;
    const struct h1_output_events *events;
    void *data;
    struct buffer queue;
    struct loop_flush flush;
    const struct http_session_limits *limits; /* borrowed */
    struct timeout *stall;                    /* NULL unless something waits for the kernel */
    bool is_blocked; /* the kernel is full: waiting for on_writable of the stream */
    bool is_full, is_broken, has_told_broken;
};

/* Of `limits`, which are borrowed, the window and the time for which a peer may take nothing. */
void h1_output_init(struct h1_output *output, struct stream *stream,
                    const struct http_session_limits *limits, const struct h1_output_events *events,
                    void *data);
void h1_output_clear(struct h1_output *output);

/* Where heads and chunk lines are written; h1_output_touch() afterwards. */
static inline struct buffer *h1_output_queue(struct h1_output *output)
{
    return &output->queue;
}

/* Something was added to the queue: it is sent at the end of this event. */
void h1_output_touch(struct h1_output *output);
/* Sends or queues `bytes` and then `suffix` (short, may be empty). False when full now. */
bool h1_output_data(struct h1_output *output, struct slice bytes, struct slice suffix);
/* Before the connection is broken off: one last attempt to send what is queued. Tells nobody. */
void h1_output_push(struct h1_output *output);
/* The stream became writable. */
void h1_output_on_writable(struct h1_output *output);

static inline bool h1_output_is_empty(const struct h1_output *output)
{
    return buffer_length(&output->queue) == 0;
}
