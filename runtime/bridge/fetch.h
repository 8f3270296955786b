/*
 * fetch — one request of a plugin to an upstream, and its whole answer.
 *
 * Goes through the same calls as forwarded requests do: pools, TLS, retries, timeouts. The answer's
 * body is held whole, up to a limit. Embedded in its owner; the arena is the owner's as well.
 */
#pragma once

#include "upstream/call.h"

struct exchange;
struct loop;

/* Of an answer's body, whatever its owner says. */
#define FETCH_BODY_MAX 1073741824

struct fetch {
    struct arena *arena;
    struct http_stream *stream; /* while it runs */
    struct call_options options;
    struct slice body_left;
    bool has_sent_end;
    struct response *response; /* in the arena; NULL before */
    struct buffer received;
    size_t received_max;
    void (*ended)(void *data, enum fault fault);
    void *data;
    struct request request; /* its owner's, set before it is read */
};

/* What a request begins as. */
extern const struct request FETCH_REQUEST;

/* Empty: options, `ended` and `data` are its owner's to fill in, and the request is not set.
 * `received_max`: of the answer's body. */
void fetch_init(struct fetch *fetch, struct arena *arena, struct loop *loop, size_t received_max);
/* It may not take longer than the exchange that it is asked for has time; NULL: for none. After its
 * total time is set. */
void fetch_limit(struct fetch *fetch, const struct exchange *exchange);
/* Gives it a body, which is borrowed until it has ended. */
void fetch_set_body(struct fetch *fetch, struct slice body);
/* The answer's fields, without those that are for one connection. Only once there is an answer. */
const struct headers *fetch_fields(const struct fetch *fetch);
/* `ended` is called once, later, never from within this call, unless it is stopped before: with
 * FAULT_NONE there is a response and its body in `received`. */
void fetch_start(struct fetch *fetch, struct cluster *cluster);
/* Forgets the answer, and breaks off what runs. Nothing for one that is all zero. */
void fetch_stop(struct fetch *fetch);

/* What a plugin may ask for: a target of visible ASCII that begins with '/', and what Host says. */
bool fetch_is_path(struct slice path);
bool fetch_is_authority(struct slice text);
bool fetch_is_method(struct slice name);
/* `path` and what follows its '?'. */
void fetch_set_path(struct request *request, struct slice path);
