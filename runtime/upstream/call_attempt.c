/*
 * call_attempt — one attempt of a call, from the choice of a target until it ends or fails.
 */
#include <assert.h>
#include <math.h>

#include "base/log.h"
#include "upstream/call_state.h"

static void detach(struct call *call)
{
    if (call->dial != NULL && dial_is_active(call->dial)) {
        dial_cancel(call->dial);
        pool_unreserve(call->target->pool);
    }
    if (call->inner != NULL)
        connection_release(&call->connection, &call->inner);
}

void call_attempt_settle(struct call *call)
{
    if (!call->is_active)
        return;
    call->is_active = false;
    target_end(call->target);
    if (call->is_counted)
        series_add(call->cluster->active, (uint64_t)-1);
}

void call_attempt_end(struct call *call)
{
    bool had_begun = call->has_begun;

    detach(call);
    timeout_clear(call->progress);
    call_attempt_settle(call);
    call->has_begun = false;
    if (had_begun && call->cluster->admission != NULL)
        admission_wake(call->cluster->admission);
}

/* Of what was sent in this attempt, the peer's kernel has nothing. */
static bool nothing_arrived(const struct call *call)
{
    struct stream *transport = connection_transport(call->connection);
    return transport != NULL && call->acknowledged != UINT64_MAX &&
           stream_bytes_acknowledged(transport) == call->acknowledged;
}

static bool is_stale(const struct call *call, enum fault fault)
{
    return call->inner != NULL && connection_is_reused(call->connection) && !call->has_answer &&
           fault == FAULT_UPSTREAM_CLOSED;
}

static COLD void blame_target(const struct call *call)
{
    struct cluster *cluster = call->cluster;
    const char *detail = call->record.detail;
    struct cluster_answer answer = call_answer(call);

    if (cluster_note_failure(cluster, call->target, call->fault, &answer) == CLUSTER_TARGET_OUT)
        log_write(LOG_WARNING, "upstream \"%.*s\": %.*s is set aside: %s%s%s",
                  SLICE_FORMAT(cluster->name), SLICE_FORMAT(call->target->text),
                  fault_type(call->fault), detail != NULL ? ", " : "",
                  detail != NULL ? detail : "");
}

void call_attempt_fail(struct call *call, enum fault fault, const char *detail)
{
    assert(fault != FAULT_NONE);
    call->record.fault = call->fault = fault;
    call->record.detail =
        detail != NULL ? arena_format(call->stream.arena, "%s", detail).start : NULL;
    call->is_untouched = call->inner != NULL && nothing_arrived(call);
    if (call->is_active && !is_stale(call, fault))
        blame_target(call);
    call_attempt_end(call);
    call_wake(call);
}

void call_wake(struct call *call)
{
    loop_defer(call_loop(call), &call->deferred);
}

/* The upstream is told what is left now. The fields may be those of other calls, too. */
static void tell_deadline(struct call *call)
{
    const struct call_deadline *deadline = call->options->deadline;
    struct arena *arena = call->stream.arena;
    double left = call_seconds_left(call);

    if (deadline == NULL || deadline->field == NULL || isinf(left))
        return;
    const struct header_key *key = &deadline->field->key;
    struct header field = {.name = key->name, .id = key->id};
    field.value = deadline_write(deadline->field->format, left > 0 ? left : 0,
                                 loop_now(call_loop(call)), arena);
    struct headers fields;
    headers_copy(&fields, &call->request.headers, arena);
    headers_set_field(&fields, arena, &field);
    call->request.headers = fields;
}

/* All that the user has sent so far goes out on a stream of `connection`. */
static void send_all(struct call *call, struct connection *connection)
{
    call->connection = connection;
    call->inner = connection_open(connection);
    call->inner->events = &CALL_INNER_EVENTS;
    call->inner->data = call;
    call->inner->arena = call->stream.arena;
    call->was_sent = true;
    call->is_sent = call->is_blocked = false;
    call->record.is_reused = connection_is_reused(connection);
    if (call->is_paused)
        http_stream_pause(call->inner);
    tell_deadline(call);
    http_stream_send_request(call->inner, &call->request);
    if (buffer_length(&call->body) > 0)
        call->is_blocked = !http_stream_send_data(call->inner, buffer_slice(&call->body));
    if (buffer_length(&call->body) > CALL_REPLAY_BYTES_MAX) {
        call->keeps_body = false;
        buffer_clear(&call->body);
    }
    if (call->is_ended)
        http_stream_send_end(call->inner, call->has_trailers ? &call->trailers : NULL);
    if (call->owes_writable && !call->is_blocked)
        call_wake(call);
    call_watch(call);
}

/* Only requests that may not be sent twice need to know; it costs a system call. */
static void note_acknowledged(struct call *call, struct connection *connection)
{
    bool matters = !method_is_idempotent(call->request.method);
    call->acknowledged =
        matters ? stream_bytes_acknowledged(connection_transport(connection)) : UINT64_MAX;
}

/*
 * A kept connection, or NULL. Where the kernel does not tell what arrived, a request that may not
 * be sent twice goes only on a connection that was just seen to be alive.
 */
static struct connection *find_kept(struct call *call)
{
    struct connection *connection;

    while (!call->needs_fresh && (connection = pool_find(call->target->pool)) != NULL) {
        note_acknowledged(call, connection);
        if (method_is_idempotent(call->request.method) || call->acknowledged != UINT64_MAX ||
            connection_has_streams(connection) || stream_is_quiet(connection_transport(connection)))
            return connection;
        connection_close(&connection);
    }
    return NULL;
}

static void on_dialled(void *data, enum fault fault, struct stream *stream, const char *detail)
{
    struct call *call = data;
    struct clusters *clusters = call->cluster->clusters;

    call->record.connect_seconds = loop_monotonic(clusters->loop) - call->dial_started;
    if (fault != FAULT_NONE) {
        pool_unreserve(call->target->pool);
        call_attempt_fail(call, fault, detail);
        return;
    }
    struct connection *connection =
        pool_add(call->target->pool, stream, call->cluster->protocol, &clusters->limits);
    note_acknowledged(call, connection);
    send_all(call, connection);
}

static OUT_OF_LINE void dial(struct call *call)
{
    struct target *target = call->target;
    struct cluster *cluster = call->cluster;
    /* The cluster may get another name while the dial waits. */
    const char *name = cluster->server_name;
    if (name != NULL)
        name = arena_format(call->stream.arena, "%s", name).start;
    struct dial_options options = {
        .loop = call_loop(call),
        .resolver = cluster->clusters->resolver,
        .host = target->host,
        .port = target->port,
        .turn = target->dials++,
        .tls = target->is_tls ? cluster->tls : NULL,
        .server_name = name,
        .timeout = call->options->connect_seconds,
    };

    if (!pool_reserve(target->pool)) {
        call_attempt_fail(call, FAULT_UPSTREAM_LIMIT, NULL);
        return;
    }
    if (call->dial == NULL) {
        call->dial = arena_alloc(call->stream.arena, sizeof(*call->dial));
        dial_init(call->dial);
    }
    call->dial_started = loop_monotonic(options.loop);
    dial_start(call->dial, &options, on_dialled, call);
}

struct target *call_pick_target(struct call *call)
{
    struct balancer_choice choice = {
        .now = loop_uptime(call_loop(call)),
        .tried = call->tried,
        .tried_count = call->tried_count,
        .is_extra = call->is_twin && call->record.attempts == 0,
        .key = call->options->aim.key,
        .sticky = call->options->aim.sticky,
    };
    return balancer_pick(call->cluster, &choice, &call->is_trial);
}

static void begin_on(struct call *call, struct target *target)
{
    if (call->target != NULL)
        target_release(&call->target);
    call->target = target_acquire(target);
    target_begin(target);
    call->is_active = call->has_begun = true;
    call->is_counted = call->cluster->balance == CLUSTER_HASH;
    if (call->is_counted)
        series_add(call->cluster->active, 1);
    call->attempt_started = loop_monotonic(call_loop(call));
}

void call_attempt_start_on(struct call *call, struct target *target)
{
    assert(call->inner == NULL && !call->is_active);
    begin_on(call, target);
    call->record.target = target->text;
    call->record.sticky = target->sticky;
    call->record.attempts++;
    call->record.connect_seconds = 0;
    call->record.is_reused = false;
    call->record.fault = FAULT_NONE;
    call->was_sent = false;

    struct connection *connection = find_kept(call);
    if (connection != NULL)
        send_all(call, connection);
    else
        dial(call);
}

static COLD enum fault fault_without_target(const struct cluster *cluster)
{
    if (cluster->target_count == 0)
        return FAULT_UPSTREAM_EMPTY;
    return cluster->lineup.count > 0 ? FAULT_UPSTREAM_LIMIT : FAULT_UPSTREAM_UNAVAILABLE;
}

void call_attempt_start(struct call *call)
{
    struct target *target = call_pick_target(call);

    if (target != NULL) {
        call_attempt_start_on(call, target);
        return;
    }
    enum fault fault = fault_without_target(call->cluster);
    if (fault != FAULT_UPSTREAM_LIMIT || !call_admission_wait(call))
        call_attempt_fail(call, fault, NULL);
}
