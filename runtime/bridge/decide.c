/*
 * decide — the gateway's phases, answered by the generation's plugins.
 *
 * A phase with plugins is one coroutine of the dispatcher (lua/moongate/dispatch.lua), which says
 * what to do when it returns; the answer is given here, from C, because nothing that Lua calls may
 * come back into Lua. What raises never lets a request pass: 500 before the response's head, a
 * response cut off after it.
 */
#include <assert.h>
#include <lauxlib.h>

#include "base/log.h"
#include "bridge/decision.h"
#include "bridge/edits.h"
#include "bridge/gather.h"
#include "bridge/gather_answer.h"
#include "bridge/tally.h"
#include "gateway/exchange_deadline.h"

/* Longest traceback that is logged. */
#define TRACEBACK_BYTES_MAX 4096

/* Plugins that may raise in one response phase before it goes on without any. */
#define RESPONSE_FAILURES_MAX 16

static void begin_response(struct decision *decision);

/* ---- running a function of the dispatcher ---- */

/* Pushes it with its first two arguments. */
static lua_State *push_call(struct decision *decision, enum generation_function which)
{
    struct exchange *exchange = decision->exchange;
    lua_State *vm = exchange->generation->vm;
    bool has_route = exchange->route != NULL && exchange->route->index != ROUTE_DEPARTED;

    generation_push_function(exchange->generation, which);
    lua_pushinteger(vm, (lua_Integer)exchange->slot);
    lua_pushinteger(vm, has_route ? (lua_Integer)exchange->route->index : -1);
    return vm;
}

/* The exchange may have ended when this returns: the task then has ended as well. */
static void start_task(struct decision *decision, enum worker_phase phase, int arguments,
                       task_ended *ended)
{
    struct tasks *tasks = &decision->exchange->generation->tasks;
    struct task_options options = {.ended = ended,
                                   .data = decision,
                                   .exchange = decision->exchange,
                                   .phase = phase,
                                   .ledger = &decision->ledger,
                                   .may_wait = true};

    assert(decision->task == NULL);
    decision_open_ledger(decision);
    struct task *task = task_start(tasks, arguments, &options);
    if (task != NULL)
        decision->task = task;
}

/* Who raised, for the log: a name on top of the main stack, to be popped. */
static const char *push_culprit(struct decision *decision)
{
    lua_State *vm = push_call(decision, GENERATION_CULPRIT);
    if (lua_pcall(vm, 2, 1, 0) != 0 || !lua_isstring(vm, -1)) {
        lua_pop(vm, 1);
        lua_pushliteral(vm, "?");
    }
    return lua_tostring(vm, -1);
}

static void log_raised(struct decision *decision, lua_State *thread, const char *phase)
{
    struct exchange *exchange = decision->exchange;
    struct generation *generation = exchange->generation;
    struct slice route = exchange->route != NULL ? exchange->route->name : SLICE("none");
    struct slice text = generation_push_traceback(generation, thread);
    const char *plugin = push_culprit(decision);

    if (text.length > TRACEBACK_BYTES_MAX)
        text.length = TRACEBACK_BYTES_MAX;
    log_write_request(LOG_ERROR, exchange_id(exchange),
                      "plugin %s raised in its %s phase, route %.*s: %.*s", plugin, phase,
                      SLICE_FORMAT(route), SLICE_FORMAT(text));
    decision_count_error(decision);
    lua_pop(generation->vm, 2);
}

/* ---- request ---- */

static void fail_unrouted(struct exchange *exchange, enum route_outcome outcome)
{
    if (outcome != ROUTE_METHOD_NOT_ALLOWED) {
        exchange_fail(exchange, FAULT_ROUTE_MISSING);
        return;
    }
    struct route_subject subject = decision_subject(exchange);
    struct header allow = {.name = SLICE("allow")};
    allow.value = route_matcher_allowed(decision_matcher(exchange), &subject, &exchange->arena);
    exchange->fault = FAULT_METHOD_NOT_ALLOWED;
    struct reply reply = problem_reply(
        exchange, &(struct problem){
                      .status = fault_status(FAULT_METHOD_NOT_ALLOWED),
                      .type = slice_from_string(fault_type(FAULT_METHOD_NOT_ALLOWED)),
                      .detail = slice_from_string(fault_text(FAULT_METHOD_NOT_ALLOWED)),
                      .headers = &allow,
                      .header_count = 1,
                  });
    exchange_reply(exchange, &reply);
}

static void on_request_ended(enum task_end end, lua_State *thread, void *data)
{
    struct decision *decision = data;
    struct exchange *exchange = decision->exchange;

    decision->task = NULL;
    if (end == TASK_RAISED) {
        log_raised(decision, thread, "request");
        exchange_fail(exchange, FAULT_PLUGIN_RAISED);
    } else if (lua_tointeger(thread, 1) == GENERATION_SHED) {
        exchange_fail(exchange, FAULT_SHED);
    } else if (lua_tointeger(thread, 1) == GENERATION_ANSWER) {
        struct reply reply = decision_reply(decision);
        exchange_reply(exchange, &reply);
    } else if (exchange->route == NULL) {
        fail_unrouted(exchange, decision->outcome);
    } else {
        exchange_forward(exchange);
    }
}

static void run_request(struct exchange *exchange, enum generation_function which,
                        enum route_outcome outcome)
{
    struct decision *decision = decision_of(exchange);
    decision->outcome = outcome;
    if (!tasks_have_room(&exchange->generation->tasks)) {
        exchange_fail(exchange, FAULT_OVERLOADED);
        return;
    }
    push_call(decision, which);
    start_task(decision, WORKER_PHASE_REQUEST, 2, on_request_ended);
}

/* All parts of its answer have ended, or one has failed that it cannot do without. */
static void on_settled(struct exchange *exchange)
{
    struct generation *generation = generation_acquire(exchange->generation);

    if (gather_answer_end(exchange)) {
        struct reply reply = decision_reply(decision_of(exchange));
        exchange_reply(exchange, &reply);
    } else {
        run_request(exchange, GENERATION_REQUEST, ROUTE_FOUND);
    }
    generation_release(&generation);
}

static bool asks_criticality(const struct exchange *exchange)
{
    return exchange->route->is_criticality_asked &&
           shedder_is_on(gateway_shedder(exchange->gateway));
}

/* Its route has been found, and nothing has been done for it yet: that is when it is refused. */
static void begin_request(struct exchange *exchange)
{
    if (exchange_deadline_has_ended(exchange))
        exchange_fail(exchange, FAULT_DEADLINE_ENDED);
    else if (asks_criticality(exchange))
        run_request(exchange, GENERATION_WEIGH, ROUTE_FOUND);
    else if (decision_sheds(exchange, exchange->route->criticality))
        exchange_fail(exchange, FAULT_SHED);
    else if ((exchange->phases & (ROUTE_REQUEST | ROUTE_RESPOND)) == 0)
        exchange_forward(exchange);
    else if (!gather_answer_begin(exchange, on_settled))
        run_request(exchange, GENERATION_REQUEST, ROUTE_FOUND);
}

static void decide_request(struct exchange *exchange)
{
    struct route_subject subject = decision_subject(exchange);
    enum route_outcome outcome =
        route_matcher_match(decision_matcher(exchange), &subject, &exchange->match);

    if (outcome == ROUTE_FOUND && exchange->match.has_when) {
        run_request(exchange, GENERATION_CHOOSE, outcome);
        return;
    }
    if (outcome == ROUTE_FOUND) {
        decision_accept_route(exchange);
        begin_request(exchange);
    } else if ((exchange->phases & (ROUTE_REQUEST | ROUTE_RESPOND)) != 0)
        run_request(exchange, GENERATION_REQUEST, outcome);
    else
        fail_unrouted(exchange, outcome);
}

/* ---- response ---- */

/* What was to be sent is dropped for the fault's answer, which goes through the plugins from the
 * first one on. */
static void begin_response_again(struct decision *decision, enum fault fault)
{
    struct exchange *exchange = decision->exchange;
    exchange->fault = fault;
    struct reply reply = problem_reply_of_fault(exchange, fault);
    exchange_replace_response(exchange, &reply);
    begin_response(decision);
}

/*
 * The dispatcher has noted which step raised, and leaves it out from now on: as there are only so
 * many, this ends. The bound is for the case that the dispatcher itself is what raises.
 */
static void on_response_ended(enum task_end end, lua_State *thread, void *data)
{
    struct decision *decision = data;

    decision->task = NULL;
    if (end == TASK_RETURNED) {
        exchange_respond(decision->exchange);
        return;
    }
    log_raised(decision, thread, "response");
    if (++decision->response_failures < RESPONSE_FAILURES_MAX)
        begin_response_again(decision, FAULT_PLUGIN_RAISED);
    else
        exchange_fail(decision->exchange, FAULT_PLUGIN_RAISED);
}

static void begin_response(struct decision *decision)
{
    if (!tasks_have_room(&decision->exchange->generation->tasks)) {
        exchange_fail(decision->exchange, FAULT_OVERLOADED);
        return;
    }
    push_call(decision, GENERATION_RESPONSE);
    start_task(decision, WORKER_PHASE_RESPONSE, 2, on_response_ended);
}

static void decide_response(struct exchange *exchange)
{
    begin_response(decision_of(exchange));
}

void decision_fail_waiting(struct exchange *exchange, enum fault fault)
{
    struct decision *decision = decision_of(exchange);
    if (decision->task != NULL)
        task_cancel(&decision->task);
    if (exchange->step == EXCHANGE_RESPONDING)
        begin_response_again(decision, fault);
    else
        exchange_fail(exchange, fault);
}

static void on_chunk_ended(enum task_end end, lua_State *thread, void *data)
{
    struct decision *decision = data;
    struct slice chunk = SLICE_NONE;

    decision->task = NULL;
    if (end == TASK_RAISED) {
        log_raised(decision, thread, "response_chunk");
        exchange_abort(decision->exchange, FAULT_PLUGIN_RAISED);
        return;
    }
    chunk.start = lua_tolstring(thread, 1, &chunk.length);
    exchange_chunk_done(decision->exchange, chunk);
}

static void decide_chunk(struct exchange *exchange, struct slice chunk, bool last)
{
    struct decision *decision = decision_of(exchange);
    if (!tasks_have_room(&exchange->generation->tasks)) {
        exchange_abort(exchange, FAULT_OVERLOADED);
        return;
    }
    lua_State *vm = push_call(decision, GENERATION_CHUNK);
    lua_pushlstring(vm, chunk.start, chunk.length);
    lua_pushboolean(vm, last);
    start_task(decision, WORKER_PHASE_RESPONSE_CHUNK, 4, on_chunk_ended);
}

/* ---- log, and the ends of an exchange ---- */

static void on_log_ended(enum task_end end, lua_State *thread, void *data)
{
    if (end == TASK_RAISED)
        log_raised(data, thread, "log");
}

static void decide_log(struct exchange *exchange)
{
    struct decision *decision = decision_of(exchange);
    struct task_options options = {.ended = on_log_ended,
                                   .data = decision,
                                   .exchange = exchange,
                                   .phase = WORKER_PHASE_LOG,
                                   .ledger = &decision->ledger};

    if (tally_log(exchange) || !tasks_have_room(&exchange->generation->tasks))
        return;
    push_call(decision, GENERATION_LOG);
    decision_open_ledger(decision);
    struct task *task = task_start(&exchange->generation->tasks, 2, &options);
    assert(task == NULL); /* it may not wait */
}

static void decide_cancel(struct exchange *exchange)
{
    struct decision *decision = exchange->task;
    if (decision == NULL)
        return;
    if (decision->task != NULL)
        task_cancel(&decision->task);
    gather_answer_cancel(decision);
}

static void decide_acquire(struct exchange *exchange)
{
    struct generation **current = gateway_phases_data(exchange->gateway);
    const struct listen_options *listen = exchange->connection->listen;

    exchange->generation = generation_acquire(*current);
    exchange->phases = listen != NULL && listen->is_admin ? 0 : exchange->generation->use_phases;
    exchange->task = NULL;
}

static void decide_release(struct exchange *exchange)
{
    const struct decision *decision = exchange->task;

    if (decision != NULL && decision->gather != NULL)
        gather_clear(decision->gather);
    decision_forget_state(exchange);
    exchange->task = NULL;
    generation_release(&exchange->generation);
}

static void hold(void *generation)
{
    generation_acquire(generation);
}

static void let_go(void *thing)
{
    struct generation *generation = thing;
    generation_release(&generation);
}

const struct phases BRIDGE_PHASES = {
    .acquire = decide_acquire,
    .release = decide_release,
    .request = decide_request,
    .edit = edits_run,
    .response = decide_response,
    .response_chunk = decide_chunk,
    .log = decide_log,
    .cancel = decide_cancel,
    .hold = hold,
    .let_go = let_go,
};
