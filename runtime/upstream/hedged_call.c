/*
 * hedged_call — when the next attempt begins, and which one is handed on.
 */
#include "upstream/hedged_call.h"

#include <assert.h>

#include "base/mem.h"
#include "net/timeout.h"
#include "shm/series.h"
#include "upstream/call_state.h"
#include "upstream/call_twin.h"

/* One of the calls; the user's first, then the twins in their order. */
struct hedge_leg {
    struct hedged_call *hedged;
    struct http_stream *stream; /* NULL: it was broken off */
    bool has_failed;
};

struct hedged_call {
    struct http_stream stream; /* what the user sees */
    struct cluster *cluster;   /* of the calls, which hold it */
    const struct hedge_rules *rules;
    struct hedge_leg legs[HEDGE_ATTEMPTS_MAX + 1];
    size_t leg_count;
    struct hedge_leg *lead;   /* whom the user speaks to: the winner, once there is one */
    struct timeout *patience; /* until the next attempt */
    double sent;              /* when the request was complete, of loop_uptime(); 0 before */
    bool may_hedge;           /* the request may be sent twice */
    bool has_answer, told_sent;
    unsigned attempts_lost; /* of calls that were broken off */
    struct slice overtaken;
    struct call_record record; /* made when it is asked for */
};

static struct hedged_call *hedged_of(struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct hedged_call, stream);
}

static struct loop *loop_of(const struct hedged_call *hedged)
{
    return hedged->cluster->clusters->loop;
}

static size_t under_way(const struct hedged_call *hedged)
{
    size_t count = 0;
    for (size_t i = 0; i < hedged->leg_count; i++)
        count += hedged->legs[i].stream != NULL && !hedged->legs[i].has_failed;
    return count;
}

/* Each of those under way knows whether it is alone. */
static void tell_rivals(const struct hedged_call *hedged)
{
    bool are_rivals = under_way(hedged) > 1;

    for (size_t i = 0; i < hedged->leg_count; i++) {
        if (hedged->legs[i].stream != NULL)
            call_set_rival(hedged->legs[i].stream, are_rivals);
    }
}

/* There will be no further attempt. */
static void settle(struct hedged_call *hedged)
{
    hedged->may_hedge = false;
    timeout_clear(hedged->patience);
}

/* ---- further attempts ---- */

static void await_patience(struct hedged_call *hedged)
{
    struct hedging *hedging = hedging_of(hedged->cluster);
    double seconds = hedging_patience(hedging, hedged->rules, loop_uptime(loop_of(hedged)));

    timeout_set(hedged->patience, seconds);
}

/* Some call that has all of the request and no answer. */
static struct http_stream *source_of(const struct hedged_call *hedged)
{
    for (size_t i = 0; i < hedged->leg_count; i++) {
        const struct hedge_leg *leg = &hedged->legs[i];
        if (!leg->has_failed && call_can_have_twin(leg->stream))
            return leg->stream;
    }
    return NULL;
}

static const struct http_stream_events LEG_EVENTS;

static void begin_twin(struct hedged_call *hedged, const struct http_stream *source)
{
    struct hedge_leg *leg = &hedged->legs[hedged->leg_count];

    *leg = (struct hedge_leg){.hedged = hedged};
    leg->stream = call_twin(source, &LEG_EVENTS, leg);
    for (size_t i = 0; i < hedged->leg_count; i++)
        call_twin_exclude(leg->stream, hedged->legs[i].stream);
    if (!call_twin_send(leg->stream)) {
        http_stream_release(&leg->stream);
        return;
    }
    hedged->leg_count++;
    series_add(hedging_of(hedged->cluster)->sent, 1);
    tell_rivals(hedged);
}

/* Nothing was sent, so nobody takes long: it is given its time again. */
static bool is_queued(const struct hedged_call *hedged)
{
    const struct hedge_leg *first = &hedged->legs[0];
    return first->stream != NULL && !first->has_failed && call_is_queued(first->stream);
}

static void on_patience(void *data)
{
    struct hedged_call *hedged = data;
    struct hedging *hedging = hedging_of(hedged->cluster);
    struct http_stream *source = source_of(hedged);

    if (hedged->may_hedge && is_queued(hedged)) {
        await_patience(hedged);
        return;
    }
    if (!hedged->may_hedge || source == NULL || hedged->leg_count > hedged->rules->attempts)
        return;
    if (!hedging_take(hedging, hedged->rules, loop_uptime(loop_of(hedged))))
        return;
    begin_twin(hedged, source);
    if (hedged->leg_count <= hedged->rules->attempts)
        await_patience(hedged);
}

/* The request is complete: from now on the upstream is who is waited for. */
static void begin_waiting(struct hedged_call *hedged)
{
    double now = loop_uptime(loop_of(hedged));

    hedged->sent = now;
    if (!hedged->may_hedge || hedged->has_answer || hedged->cluster->target_count < 2)
        return;
    retry_budget_count(&hedging_of(hedged->cluster)->budget, now);
    await_patience(hedged);
}

/* ---- what the calls say ---- */

static void on_informational(void *data, struct response *response)
{
    struct hedge_leg *leg = data;
    struct hedged_call *hedged = leg->hedged;

    if (hedged->leg_count > 1)
        return;
    settle(hedged);
    if (hedged->stream.events->on_informational != NULL)
        hedged->stream.events->on_informational(hedged->stream.data, response);
}

/* The text is its target's, which may go with it. */
static void break_off(struct hedged_call *hedged, struct hedge_leg *leg)
{
    const struct call_record *record = call_record(leg->stream);

    hedged->overtaken = arena_copy(hedged->stream.arena, record->target);
    hedged->attempts_lost += record->attempts;
    call_overtake(leg->stream);
    http_stream_release(&leg->stream);
}

static void note_winner(struct hedged_call *hedged, const struct hedge_leg *leg)
{
    struct hedging *hedging = hedging_of(hedged->cluster);
    double now = loop_uptime(loop_of(hedged));

    /* Where a twin won, the first one would have taken longer: no quantile that is below this is
     * told anything wrong. For what was waited in the queue no target is to blame. */
    if (hedged->rules->after_quantile > 0 && hedged->sent > 0)
        answer_times_add(hedging->times,
                         now - hedged->sent - call_record(leg->stream)->queue_seconds, now);
    if (leg != hedged->legs)
        series_add(hedging->won, 1);
}

static void on_response(void *data, struct response *response)
{
    struct hedge_leg *leg = data;
    struct hedged_call *hedged = leg->hedged;
    bool may_hedge = hedged->may_hedge;

    assert(!hedged->has_answer);
    hedged->has_answer = true;
    settle(hedged);
    hedged->lead = leg;
    for (size_t i = 0; i < hedged->leg_count; i++) {
        if (&hedged->legs[i] != leg && hedged->legs[i].stream != NULL)
            break_off(hedged, &hedged->legs[i]);
    }
    if (may_hedge)
        note_winner(hedged, leg);
    hedged->stream.events->on_response(hedged->stream.data, response);
}

static void on_data(void *data, struct slice bytes)
{
    struct hedged_call *hedged = ((struct hedge_leg *)data)->hedged;
    hedged->stream.events->on_data(hedged->stream.data, bytes);
}

static void on_end(void *data)
{
    struct hedged_call *hedged = ((struct hedge_leg *)data)->hedged;
    hedged->stream.events->on_end(hedged->stream.data);
}

/* Twins have all that there is to send. */
static void on_writable(void *data)
{
    struct hedge_leg *leg = data;
    struct hedged_call *hedged = leg->hedged;

    if (leg == hedged->lead && hedged->stream.events->on_writable != NULL)
        hedged->stream.events->on_writable(hedged->stream.data);
}

static void on_sent(void *data)
{
    struct hedge_leg *leg = data;
    struct hedged_call *hedged = leg->hedged;
    bool is_tunnel = leg == hedged->lead && hedged->has_answer; /* each has an end of its own */

    if (hedged->told_sent && !is_tunnel)
        return;
    hedged->told_sent = true;
    if (hedged->stream.events->on_sent != NULL)
        hedged->stream.events->on_sent(hedged->stream.data);
}

static void on_failed(void *data, enum fault fault)
{
    struct hedge_leg *leg = data;
    struct hedged_call *hedged = leg->hedged;

    leg->has_failed = true;
    if (!hedged->has_answer && under_way(hedged) > 0) {
        tell_rivals(hedged);
        return;
    }
    hedged->lead = leg;
    settle(hedged);
    hedged->stream.events->on_failed(hedged->stream.data, fault);
}

static const struct http_stream_events LEG_EVENTS = {
    .on_informational = on_informational,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_sent = on_sent,
    .on_failed = on_failed,
};

/* ---- what the user says ---- */

static void send_request(struct http_stream *stream, const struct request *request)
{
    struct hedged_call *hedged = hedged_of(stream);

    hedged->may_hedge = method_is_idempotent(request->method) && request->upgrade.length == 0;
    http_stream_send_request(hedged->lead->stream, request);
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    return http_stream_send_data(hedged_of(stream)->lead->stream, bytes);
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct hedged_call *hedged = hedged_of(stream);

    http_stream_send_end(hedged->lead->stream, trailers);
    if (hedged->sent == 0)
        begin_waiting(hedged);
}

static void pause_stream(struct http_stream *stream)
{
    struct hedged_call *hedged = hedged_of(stream);

    for (size_t i = 0; i < hedged->leg_count; i++) {
        if (hedged->legs[i].stream != NULL)
            http_stream_pause(hedged->legs[i].stream);
    }
}

static void resume_stream(struct http_stream *stream)
{
    struct hedged_call *hedged = hedged_of(stream);

    for (size_t i = 0; i < hedged->leg_count; i++) {
        if (hedged->legs[i].stream != NULL)
            http_stream_resume(hedged->legs[i].stream);
    }
}

static void release(struct http_stream *stream)
{
    struct hedged_call *hedged = hedged_of(stream);

    timeout_release(&hedged->patience);
    for (size_t i = 0; i < hedged->leg_count; i++) {
        if (hedged->legs[i].stream != NULL)
            http_stream_release(&hedged->legs[i].stream);
    }
}

static const struct http_stream_codec CODEC = {
    .send_request = send_request,
    .send_data = send_data,
    .send_end = send_end,
    .pause = pause_stream,
    .resume = resume_stream,
    .release = release,
};

struct http_stream *hedged_call_start(struct cluster *cluster, const struct call_options *options,
                                      const struct http_stream_events *events, void *data,
                                      struct arena *arena)
{
    struct hedged_call *hedged = arena_zeroed(arena, sizeof(*hedged));

    hedged->stream = (struct http_stream){&CODEC, events, data, arena};
    hedged->cluster = cluster;
    hedged->rules = options->hedge != NULL ? options->hedge : &cluster->hedge_rules;
    hedged->patience = timeout_acquire(loop_of(hedged), on_patience, hedged);
    hedged->lead = &hedged->legs[0];
    hedged->lead->hedged = hedged;
    hedged->lead->stream = &call_create(cluster, options, &LEG_EVENTS, hedged->lead, arena)->stream;
    hedged->leg_count = 1;
    return &hedged->stream;
}

/* All of them as one. */
const struct call_record *hedged_call_record(const struct http_stream *stream)
{
    struct hedged_call *hedged =
        (struct hedged_call *)CONTAINER_OF(stream, struct hedged_call, stream);
    struct call_record *record = &hedged->record;

    *record = *call_record(hedged->lead->stream);
    record->attempts = hedged->attempts_lost;
    for (size_t i = 0; i < hedged->leg_count; i++) {
        if (hedged->legs[i].stream != NULL)
            record->attempts += call_record(hedged->legs[i].stream)->attempts;
    }
    record->hedges = (unsigned)hedged->leg_count - 1;
    record->is_hedge = hedged->lead != hedged->legs;
    record->overtaken = hedged->overtaken;
    return record;
}
