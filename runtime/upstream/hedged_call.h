/*
 * hedged_call — a request that may be sent to a second target when the first one takes long, as a
 * client's http_stream in front of its calls.
 *
 * Only where the method is idempotent and all of the request is kept for retries, no part of an
 * answer was handed on, and there is a target that was not tried. The head that comes first is the
 * answer, and all other attempts are broken off: they count as no failures. 1xx answers pass while
 * there is one attempt, after which there will be no other; beside one another they are dropped. An
 * attempt that fails while another one is under way waits for that; the last one is retried as any
 * call is. Circuit breakers see one request.
 */
#pragma once

#include "upstream/call.h"

/* As call_start(), which is what starts it where there are rules. */
struct http_stream *hedged_call_start(struct cluster *cluster, const struct call_options *options,
                                      const struct http_stream_events *events, void *data,
                                      struct arena *arena);
/* Of the attempt that won, or the last one; attempts are those of all. */
const struct call_record *hedged_call_record(const struct http_stream *stream);
