/*
 * call_twin — copies what a call has sent, and what it has learned of targets.
 */
#include "upstream/call_twin.h"

#include <assert.h>

#include "base/mem.h"
#include "upstream/call_state.h"

static struct call *call_of(struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct call, stream);
}

static const struct call *seen_of(const struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct call, stream);
}

bool call_is_queued(const struct http_stream *stream)
{
    return call_admission_is_waiting(seen_of(stream));
}

bool call_can_have_twin(const struct http_stream *stream)
{
    const struct call *call = seen_of(stream);

    return call->is_ended && call->keeps_body &&
           buffer_length(&call->body) <= CALL_REPLAY_BYTES_MAX && !call->has_answer &&
           !call->is_over && !call_admission_is_waiting(call) && call_has_time(call);
}

/* What the user has said. */
static void repeat(struct call *twin, const struct call *source)
{
    twin->request = source->request;
    twin->has_request = twin->is_ended = true;
    twin->has_trailers = source->has_trailers;
    if (source->has_trailers)
        twin->trailers = source->trailers;
    twin->is_paused = source->is_paused;
    twin->record.bytes_sent = source->record.bytes_sent;
    bool fits = buffer_append(&twin->body, buffer_slice(&source->body));
    assert(fits); /* into one of the same limit */
    (void)fits;
}

struct http_stream *call_twin(const struct http_stream *stream,
                              const struct http_stream_events *events, void *data)
{
    const struct call *source = seen_of(stream);
    assert(call_can_have_twin(stream));
    struct call *twin =
        call_create(source->cluster, source->options, events, data, source->stream.arena);

    twin->is_twin = true;
    twin->attempts_before = call_attempts(source) > 0 ? call_attempts(source) - 1 : 0;
    twin->record.started = source->record.started;
    twin->started = source->started;
    twin->passes = source->passes;
    twin->turn = source->turn;
    twin->record.queue_seconds = source->record.queue_seconds;
    repeat(twin, source);
    if (source->options->total_seconds > 0)
        timeout_set(&twin->total, call_seconds_left(source));
    return &twin->stream;
}

void call_twin_exclude(struct http_stream *stream, const struct http_stream *other)
{
    struct call *twin = call_of(stream);
    const struct call *call = seen_of(other);

    for (size_t i = 0; i < call->tried_count; i++)
        call_note_tried(twin, call->tried[i]);
    if (call->target != NULL)
        call_note_tried(twin, call->target);
}

bool call_twin_send(struct http_stream *stream)
{
    struct call *twin = call_of(stream);
    struct target *target = call_pick_target(twin);

    if (target != NULL) {
        call_attempt_start_on(twin, target);
        return true;
    }
    twin->passes = NULL; /* they go on being its source's alone */
    twin->turn = NULL;
    return false;
}

void call_set_rival(struct http_stream *stream, bool has_rival)
{
    call_of(stream)->has_rival = has_rival;
}

void call_overtake(const struct http_stream *stream)
{
    const struct call *call = seen_of(stream);

    if (!call->is_active)
        return;
    struct cluster_answer answer = call_answer(call);
    cluster_note_overtaken(call->cluster, call->target, &answer);
}
