/*
 * call_twin — a second call for the request of one that is under way, to another target.
 *
 * What circuit breakers, the budget of retries and the upstream's limit count is the request, so a
 * twin is none to them: it shares the passes of its source, and its place, and whichever of the two
 * is told first says how it went. What fails while it has a rival is not tried again; the one that
 * is left goes on as any call would.
 */
#pragma once

#include "upstream/call.h"

/* Whether it waits for a place, so that nothing was sent yet. */
bool call_is_queued(const struct http_stream *stream);
/* Whether it is not waiting for a place, all of its request has been sent, is still here, and no
 * part of an answer has come. */
bool call_can_have_twin(const struct http_stream *stream);
/* One that has not been sent yet; in the same arena. The head of `stream` is borrowed. */
struct http_stream *call_twin(const struct http_stream *stream,
                              const struct http_stream_events *events, void *data);
/* Not to where `other` has been, a call of the same request. */
void call_twin_exclude(struct http_stream *twin, const struct http_stream *other);
/* False: there is no such target, and nothing was sent. Tells the user nothing before it returns.
 */
bool call_twin_send(struct http_stream *twin);
/* Whether another call for its request is under way. */
void call_set_rival(struct http_stream *stream, bool has_rival);
/* Another one was faster: it is not the target's fault, but tells how long that takes at least.
 * Before it is released. */
void call_overtake(const struct http_stream *stream);
