/*
 * call — the user's side: takes the request, keeps it while it may be needed again, and decides
 * after a failed attempt whether there is another one.
 */
#include "upstream/call.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "upstream/call_state.h"
#include "upstream/hedged_call.h"

/* More than this cannot wait for a connection: who sends on after "enough for now" is broken off.
 */
#define WAITING_BYTES_MAX (64u << 20)

const struct call_options CALL_OPTIONS = {
    .connect_seconds = 5,
    .response_seconds = 60,
    .idle_seconds = 60,
    .total_seconds = 0,
    .retries = 2,
};

static struct call *call_of(struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct call, stream);
}

/* What the rules say about the attempt that failed. */
static enum retry_verdict verdict(const struct call *call)
{
    struct retry_facts facts = {
        .fault = call->fault,
        .is_idempotent = method_is_idempotent(call->request.method),
        .is_replayable = call->keeps_body,
        .has_answer = call->has_answer,
        .was_sent = call->was_sent,
        .is_reused = call->was_sent && call->record.is_reused,
        .is_untouched = call->is_untouched,
    };
    return retry_decide(&facts);
}

void call_note_tried(struct call *call, struct target *target)
{
    if (call->tried_count < ARRAY_LENGTH(call->tried))
        call->tried[call->tried_count++] = target;
}

double call_seconds_left(const struct call *call)
{
    const struct call_deadline *deadline = call->options->deadline;
    double total = call->options->total_seconds, now = loop_monotonic(call_loop(call));
    double left = total > 0 ? call->started + total - now : INFINITY;

    return deadline != NULL && deadline->at > 0 ? fmin(left, deadline->at - now) : left;
}

bool call_has_time(const struct call *call)
{
    const struct call_deadline *deadline = call->options->deadline;
    return call_seconds_left(call) > (deadline != NULL ? deadline->seconds_least : 0);
}

/* The budget's word. */
static bool is_affordable(const struct call *call)
{
    struct cluster *cluster = call->cluster;

    if (retry_budget_take(&cluster->retry_budget, loop_uptime(call_loop(call))))
        return true;
    __atomic_fetch_add(&cluster->words->retries_refused, 1, __ATOMIC_RELAXED);
    return cluster->reports_retries;
}

static COLD bool may_retry(struct call *call)
{
    switch (verdict(call)) {
    case RETRY_NEVER:
        return false;
    case RETRY_FREE:
        call->needs_fresh = true;
        call->record.attempts--;
        return true;
    case RETRY_COUNTED:
        break;
    }
    call_note_tried(call, call->target);
    return !call->has_rival && call_attempts(call) <= call->options->retries &&
           call_attempts(call) < CALL_ATTEMPTS_MAX && call_has_time(call) && is_affordable(call);
}

static COLD void settle_failure(struct call *call)
{
    if (may_retry(call)) {
        call->fault = FAULT_NONE;
        call_attempt_start(call);
        return;
    }
    call->is_over = true;
    if (!call->has_rival) {
        call_breakers_report(call, call->fault, 0);
        if (call->turn != NULL)
            call_admission_report(call, call->fault, 0);
    }
    timeout_clear(&call->total);
    buffer_clear(&call->body);
    call->stream.events->on_failed(call->stream.data, call->fault);
}

static void on_deferred(struct loop_deferred *deferred)
{
    struct call *call = CONTAINER_OF(deferred, struct call, deferred);

    if (call->fault != FAULT_NONE) {
        settle_failure(call);
    } else if (call->owes_writable && call->inner != NULL && !call->is_blocked) {
        call_tell_writable(call);
    }
}

static COLD void on_total(void *data)
{
    call_attempt_fail(data, FAULT_TOTAL_TIMEOUT, NULL);
}

static void send_request(struct http_stream *stream, const struct request *request)
{
    struct call *call = call_of(stream);

    assert(!call->has_request);
    call->has_request = true;
    call->request = *request;
    retry_budget_count(&call->cluster->retry_budget, loop_uptime(call_loop(call)));
    if (!call_breakers_admit(call))
        call_attempt_fail(call, FAULT_CIRCUIT_OPEN, NULL);
    else if (call->cluster->admission != NULL)
        call_admission_start(call);
    else
        call_attempt_start(call);
}

/* For a connection that is still being made, or for the next attempt. */
static bool keep(struct call *call, struct slice bytes)
{
    bool has_nowhere_to_go = call->inner == NULL;

    if (!call->keeps_body)
        return false;
    if (!has_nowhere_to_go && buffer_length(&call->body) + bytes.length > CALL_REPLAY_BYTES_MAX) {
        call->keeps_body = false;
        buffer_clear(&call->body);
        return false;
    }
    return buffer_append(&call->body, bytes);
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    struct call *call = call_of(stream);

    assert(call->has_request && !call->is_ended);
    if (call->is_over)
        return true;
    call->record.bytes_sent += bytes.length;
    bool is_kept = keep(call, bytes);
    if (call->inner != NULL) {
        call->is_blocked = !http_stream_send_data(call->inner, bytes);
        call->owes_writable = call->is_blocked;
        call_watch(call);
        return !call->is_blocked;
    }
    call->owes_writable = true;
    if (!is_kept && call->fault == FAULT_NONE)
        call_attempt_fail(call, FAULT_INTERNAL, "more body than can wait for a connection");
    return false;
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct call *call = call_of(stream);

    assert(call->has_request && !call->is_ended);
    call->is_ended = true;
    call->has_trailers = trailers != NULL;
    if (trailers != NULL)
        call->trailers = *trailers;
    if (call->turn != NULL)
        call_admission_note_end(call);
    if (call->inner == NULL)
        return;
    http_stream_send_end(call->inner, trailers);
    call_watch(call);
}

static void pause_stream(struct http_stream *stream)
{
    struct call *call = call_of(stream);
    call->is_paused = true;
    if (call->inner == NULL)
        return;
    http_stream_pause(call->inner);
    call_watch(call);
}

static void resume_stream(struct http_stream *stream)
{
    struct call *call = call_of(stream);

    if (!call->is_paused) /* nor is the inner one, then */
        return;
    call->is_paused = false;
    if (call->inner == NULL)
        return;
    http_stream_resume(call->inner);
    call_watch(call);
}

static void release(struct http_stream *stream)
{
    struct call *call = call_of(stream);

    call_attempt_end(call);
    call_breakers_report(call, FAULT_CLIENT_GONE, 0);
    if (call->turn != NULL)
        call_admission_release(call);
    list_remove(&call->deferred.node);
    timeout_release(&call->progress);
    timeout_stop(&call->total);
    buffer_clear(&call->body);
    if (call->target != NULL)
        target_release(&call->target);
    cluster_release(&call->cluster);
}

static const struct http_stream_codec CODEC = {
    .send_request = send_request,
    .send_data = send_data,
    .send_end = send_end,
    .pause = pause_stream,
    .resume = resume_stream,
    .release = release,
};

struct call *call_create(struct cluster *cluster, const struct call_options *options,
                         const struct http_stream_events *events, void *data, struct arena *arena)
{
    struct loop *loop = cluster->clusters->loop;
    struct call *call = arena_alloc(arena, sizeof(*call));

    memset(call, 0, offsetof(struct call, request));
    call->stream = (struct http_stream){&CODEC, events, data, arena};
    call->cluster = cluster_acquire(cluster);
    call->options = options;
    call->record.started = loop_now(loop);
    call->started = loop_monotonic(loop);
    call->keeps_body = true;
    call->deferred.run = on_deferred;
    list_init(&call->deferred.node);
    buffer_init(&call->body, WAITING_BYTES_MAX, &loop->blocks);
    call->progress = timeout_acquire(loop, call_on_idle, call);
    if (options->total_seconds > 0) {
        timeout_init(&call->total, loop, on_total, call);
        timeout_set(&call->total, options->total_seconds);
    }
    return call;
}

struct http_stream *call_start(struct cluster *cluster, const struct call_options *options,
                               const struct http_stream_events *events, void *data,
                               struct arena *arena)
{
    const struct hedge_rules *rules =
        options->hedge != NULL ? options->hedge : &cluster->hedge_rules;

    if (rules->attempts > 0)
        return hedged_call_start(cluster, options, events, data, arena);
    return &call_create(cluster, options, events, data, arena)->stream;
}

const struct call_record *call_record(const struct http_stream *stream)
{
    if (stream->codec != &CODEC)
        return hedged_call_record(stream);
    return &CONTAINER_OF(stream, struct call, stream)->record;
}
