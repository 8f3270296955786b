/*
 * call_answer — what the upstream says during an attempt, and how long it may take to say it.
 */
#include "base/log.h"
#include "upstream/call_state.h"

/* How long nobody may say anything in a tunnel before it is taken for dead. */
#define TUNNEL_IDLE_SECONDS 3600

/* Expect: 100-continue: the user sends nothing before the upstream says something. */
static bool awaits_word(const struct call *call)
{
    return call->request.expects_continue && !call->has_answer && call->record.bytes_sent == 0 &&
           !call->is_ended;
}

/* While a request is being sent, each byte that the peer's kernel takes is progress. */
static bool has_progressed(struct call *call)
{
    struct stream *transport = connection_transport(call->connection);
    if (call->is_sent || awaits_word(call) || transport == NULL)
        return false;
    uint64_t acknowledged = stream_bytes_acknowledged(transport);
    bool has = acknowledged != UINT64_MAX && acknowledged != call->progress_mark;
    call->progress_mark = acknowledged;
    return has;
}

void call_on_idle(void *data)
{
    struct call *call = data;

    if (call->inner == NULL)
        return;
    if (has_progressed(call))
        call_watch(call);
    else if (call->has_response)
        call_attempt_fail(call, FAULT_UPSTREAM_STALLED, NULL);
    else if (call->is_sent || awaits_word(call))
        call_attempt_fail(call, FAULT_UPSTREAM_TIMEOUT, NULL);
    else
        call_attempt_fail(call, FAULT_UPSTREAM_WRITE_TIMEOUT, NULL);
}

/* How long what the call waits for now may take; 0 when it does not wait for the upstream. */
static double patience(const struct call *call)
{
    bool awaits_body = call->has_response && !call->is_response_ended && !call->is_paused;
    bool awaits_room = call->is_blocked || (call->is_ended && !call->is_sent);

    if (call->inner == NULL)
        return 0;
    if (call->is_tunnel)
        return TUNNEL_IDLE_SECONDS;
    if (!call->has_response && (call->is_sent || awaits_word(call)))
        return call->options->response_seconds;
    return awaits_body || awaits_room ? call->options->idle_seconds : 0;
}

void call_watch(struct call *call)
{
    timeout_set(call->progress, patience(call));
}

static void on_informational(void *data, struct response *response)
{
    struct call *call = data;
    call->has_answer = true;
    call_watch(call);
    if (call->stream.events->on_informational != NULL)
        call->stream.events->on_informational(call->stream.data, response);
}

struct cluster_answer call_answer(const struct call *call)
{
    struct loop *loop = call_loop(call);
    return (struct cluster_answer){
        .seconds = loop_monotonic(loop) - call->attempt_started,
        .now = loop_uptime(loop),
        .is_trial = call->is_trial,
    };
}

static void praise_target(const struct call *call, int status)
{
    struct cluster_answer answer = call_answer(call);
    answer.is_bad = status >= 500;
    enum cluster_news news = cluster_note_answer(call->cluster, call->target, &answer);

    if (news == CLUSTER_TARGET_BACK)
        log_write(LOG_INFO, "upstream \"%.*s\": %.*s answers again",
                  SLICE_FORMAT(call->cluster->name), SLICE_FORMAT(call->target->text));
    else if (news == CLUSTER_TARGET_OUT)
        log_write(LOG_WARNING, "upstream \"%.*s\": %.*s is set aside: too many bad answers",
                  SLICE_FORMAT(call->cluster->name), SLICE_FORMAT(call->target->text));
}

static void on_response(void *data, struct response *response)
{
    struct call *call = data;

    call->has_answer = call->has_response = true;
    call->record.response_seconds = loop_monotonic(call_loop(call)) - call->started;
    call->keeps_body = false;
    buffer_clear(&call->body);
    if (!cluster_expects_answer(call->cluster, call->target))
        praise_target(call, response->status);
    call_breakers_report(call, FAULT_NONE, response->status);
    if (call->turn != NULL)
        call_admission_report(call, FAULT_NONE, response->status);
    if (response->status == 101) { /* the request's end was one, the tunnel's is another */
        call->is_tunnel = true;
        call->is_ended = call->is_sent = call->told_sent = false;
        timeout_clear(&call->total);
    }
    call_watch(call);
    call->stream.events->on_response(call->stream.data, response);
}

static void on_data(void *data, struct slice bytes)
{
    struct call *call = data;
    call->record.bytes_received += bytes.length;
    call_watch(call);
    call->stream.events->on_data(call->stream.data, bytes);
}

/* Nothing is to come any more, in either direction: the client may take as long as it likes. */
static void settle(struct call *call)
{
    timeout_clear(&call->total);
    call_attempt_settle(call);
}

static void on_end(void *data)
{
    struct call *call = data;
    call->is_response_ended = true;
    if (call->is_sent)
        settle(call);
    call_watch(call);
    call->stream.events->on_end(call->stream.data);
}

void call_tell_writable(struct call *call)
{
    call->owes_writable = false;
    if (call->stream.events->on_writable != NULL)
        call->stream.events->on_writable(call->stream.data);
}

static void on_writable(void *data)
{
    struct call *call = data;
    call->is_blocked = false;
    call_watch(call);
    if (call->owes_writable)
        call_tell_writable(call);
}

static void on_sent(void *data)
{
    struct call *call = data;
    call->is_sent = true;
    call->is_blocked = false;
    if (call->is_response_ended)
        settle(call);
    call_watch(call);
    if (call->told_sent)
        return;
    call->told_sent = true;
    if (call->stream.events->on_sent != NULL)
        call->stream.events->on_sent(call->stream.data);
}

static void on_failed(void *data, enum fault fault)
{
    call_attempt_fail(data, fault, NULL);
}

const struct http_stream_events CALL_INNER_EVENTS = {
    .on_informational = on_informational,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_sent = on_sent,
    .on_failed = on_failed,
};
