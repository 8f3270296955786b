/*
 * cached_call — one request that the cache may answer, as a client's http_stream in front of a
 * call.
 *
 * Looks the request up. What is stored and may be used comes straight from shared memory, at the
 * pace of who reads it. What is not is asked for once over all workers (fill.h): who wants the same
 * meanwhile gets it as it comes in. A fill that turns out to be of no use to them lets all who wait
 * go at once; each then asks for itself, and nobody waits twice for the same.
 *
 * Whatever passes is what the upstream sent but for Age and Cache-Status, and what stands for it of
 * what is stored: 304, 206, 416, answers to HEAD. An unsafe method passes, and makes invalid what
 * it should (RFC 9111, 4.4).
 */
#pragma once

#include "cache/cache_status.h"
#include "cache/fill.h"
#include "upstream/call.h"

struct cached_call_options {
    struct http_cache *cache;
    const struct cache_policy *policy; /* borrowed, as long as the keeper is held */
    struct fill_keeper keeper;
    struct cluster *cluster;
    const struct call_options *call; /* borrowed until the stream is released */
    struct cache_context context;    /* for the key */
    /* The head that goes upstream, made when it is first needed; in the arena. */
    struct request *(*outbound)(void *data);
};

/*
 * Events as for a client's stream; `data` is also outbound's. The request that is sent is the one
 * that the client sent, with what plugins made of it; it is kept, not copied. An answer that cannot
 * be had since the client wants it from here alone is FAULT_NOT_CACHED.
 */
struct http_stream *cached_call_start(const struct cached_call_options *options,
                                      const struct http_stream_events *events, void *data,
                                      struct arena *arena);
/* Of the call that was made for this request; empty where there was none, or another waited for. */
const struct call_record *cached_call_record(const struct http_stream *stream);
/* What has become of it so far. */
const struct cache_status *cached_call_status(const struct http_stream *stream);
