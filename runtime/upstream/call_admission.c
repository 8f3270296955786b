/*
 * call_admission — what a call asks of its upstream's admission, and tells it.
 */
#include "upstream/call_admission.h"

#include "base/mem.h"
#include "upstream/admission_parts.h"
#include "upstream/call_state.h"

#define RETRY_AFTER_SECONDS 1

static void refuse(struct call *call, enum fault fault)
{
    call->record.retry_after_seconds = RETRY_AFTER_SECONDS;
    call_attempt_fail(call, fault, NULL);
}

/* What would have waited is counted as if it had. */
static void only_report(struct admission *admission)
{
    const struct gates *gates = admission_gates(admission);

    if (gates != NULL && gate_queue_join(gates, admission->number, admission->options.queue_size))
        gate_queue_leave(gates, admission->number, GATE_WAIT_ENDED, 0);
}

/* False when it may not. */
static bool wait(struct admission *admission, struct call_turn *turn)
{
    if (admission->options.queue_size == 0)
        return false;
    if (admission->options.is_queue_report_only) {
        only_report(admission);
        return false;
    }
    return admission_join(admission, turn);
}

void call_admission_start(struct call *call)
{
    struct admission *admission = call->cluster->admission;
    struct call_turn *turn = arena_zeroed(call->stream.arena, sizeof(*turn));
    const struct gates *gates = admission_gates(admission);

    call->turn = turn;
    turn->call = call;
    list_init(&turn->node);
    /* Behind those that wait already. */
    if (admission->count == 0 && admission_take(admission, turn)) {
        call_attempt_start(call);
        return;
    }
    if (gates != NULL)
        gate_count_limited(gates, admission->number);
    if (!wait(admission, turn))
        refuse(call, FAULT_UPSTREAM_OVERLOADED);
}

bool call_admission_wait(struct call *call)
{
    struct admission *admission = call->cluster->admission;
    struct call_turn *turn = call->turn;

    if (turn == NULL || turn->call != call || admission->options.queue_size == 0)
        return false;
    if (turn->is_active)
        admission_give(admission, turn);
    if (turn->is_serving) {
        turn->is_denied = true;
        return true;
    }
    return wait(admission, turn);
}

bool call_admission_is_waiting(const struct call *call)
{
    return call->turn != NULL && call->turn->is_waiting;
}

void call_admission_release(struct call *call)
{
    if (call->turn->call == call)
        call_admission_report(call, FAULT_CLIENT_GONE, 0);
}

void call_admission_note_end(struct call *call)
{
    double now = loop_monotonic(call_loop(call));

    if (call->turn->is_active)
        call->turn->started = now;
}

/* Who refuses fast, or has only met a limit of ours, tells nothing of the upstream; nor does a
 * client that has not sent all in time. */
static bool is_load(const struct call *call, enum fault fault)
{
    switch ((int)fault) {
    case FAULT_TOTAL_TIMEOUT:
        return call->is_ended;
    case FAULT_INTERNAL:
    case FAULT_CIRCUIT_OPEN:
    case FAULT_UPSTREAM_LIMIT:
    case FAULT_UPSTREAM_UNAVAILABLE:
    case FAULT_UPSTREAM_EMPTY:
    case FAULT_UPSTREAM_OVERLOADED:
    case FAULT_UPSTREAM_QUEUE_TIMEOUT:
        return false;
    default:
        return fault_proxy_status(fault) != NULL;
    }
}

static bool is_refusal_of_load(int status)
{
    return status >= 502 && status <= 504;
}

/* Errors that come fast are not what an answer takes. */
static bool is_answer(const struct call *call, int status)
{
    return call->is_ended && status < 500 && status != 429;
}

static void learn_from(struct call *call, enum fault fault, int status)
{
    struct admission *admission = call->cluster->admission;
    const struct gates *gates = admission_gates(admission);
    struct loop *loop = call_loop(call);
    bool is_overload = fault != FAULT_NONE ? is_load(call, fault) : is_refusal_of_load(status);
    struct gate_sample sample = {
        .outcome = is_overload ? GATE_OVERLOADED : GATE_WENT_WELL,
        .seconds = loop_monotonic(loop) - call->turn->started,
        .active = call->turn->active,
        .now_ms = (uint64_t)(loop_uptime(loop) * 1000),
    };

    if (gates == NULL || !admission->options.has_limit)
        return;
    if (is_overload || (fault == FAULT_NONE && is_answer(call, status)))
        gate_report(gates, admission->number, &admission->options.limit, &sample);
}

void call_admission_report(struct call *call, enum fault fault, int status)
{
    struct admission *admission = call->cluster->admission;
    struct call_turn *turn = call->turn;

    if (turn->is_waiting)
        admission_leave(admission, turn, GATE_WAIT_GIVEN_UP);
    if (!turn->is_active)
        return;
    learn_from(call, fault, status);
    admission_give(admission, turn);
}
