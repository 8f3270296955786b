/*
 * gather — asking, checking what comes, and resuming who waits: the library "moongate.core.gather".
 */
#include "bridge/gather.h"

#include <assert.h>
#include <lauxlib.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "bridge/decision.h"
#include "bridge/gather_requests.h"
#include "bridge/libraries.h"
#include "net/timeout.h"

/* Of an answer that is checked in one go: well below a millisecond. */
#define CHECK_BYTES 65536
/* The place when all have ended. */
#define NO_PLACE (-1)

void gather_stop(struct gather *gather)
{
    if (gather->deadline != NULL)
        timeout_release(&gather->deadline);
    gather->waiting = NULL;
    gather->settled = NULL;
    for (uint32_t i = 0; gather->left > 0 && i < gather->plan->part_count; i++) {
        struct gather_ask *ask = gather->places[i].ask;
        if (ask == NULL || ask->has_ended)
            continue;
        fetch_stop(&ask->fetch);
        list_remove(&ask->checking.node);
        ask->has_ended = ask->is_told = true;
        gather->left--;
    }
}

void gather_clear(struct gather *gather)
{
    gather_stop(gather);
    for (uint32_t i = 0; i < gather->plan->part_count; i++) {
        if (gather->places[i].ask != NULL)
            fetch_stop(&gather->places[i].ask->fetch);
    }
}

static bool is_of_interest(const struct gather_ask *ask)
{
    switch (ask->part->interest) {
    case MOON_GATHER_AT_THE_END:
        return false;
    case MOON_GATHER_WHEN_FAILED:
        return ask->outcome != MOON_GATHER_HAS_VALUE;
    case MOON_GATHER_WHEN_ENDED:
        return true;
    }
    return false;
}

/* Of one that has ended and nobody has been told of; NO_PLACE: there is none. */
static int next_place(struct gather *gather)
{
    for (uint32_t i = 0; gather->untold > 0 && i < gather->plan->part_count; i++) {
        struct gather_ask *ask = gather->places[i].ask;
        if (ask == NULL || !ask->has_ended || ask->is_told || !is_of_interest(ask))
            continue;
        ask->is_told = true;
        gather->untold--;
        return (int)i;
    }
    return NO_PLACE;
}

/* A place, or nothing when all have ended. */
static int push_place(lua_State *thread, int place)
{
    if (place == NO_PLACE)
        return 0;
    lua_pushinteger(thread, place);
    return 1;
}

static bool is_settled(const struct gather *gather)
{
    return gather->left == 0 || gather->untold > 0;
}

/* The last that is done in a callback: the gather may be gone after it. */
static void tell(struct gather *gather)
{
    struct task *task = gather->waiting;
    void (*settled)(struct exchange *) = gather->settled;

    if (!is_settled(gather))
        return;
    gather->waiting = NULL;
    gather->settled = NULL;
    if (settled != NULL)
        settled(gather->exchange);
    else if (task != NULL)
        task_resume(task, push_place(task_thread(task), next_place(gather)));
}

static void end(struct gather_ask *ask, enum moon_gather_outcome outcome)
{
    struct gather *gather = ask->gather;

    ask->has_ended = true;
    ask->outcome = outcome;
    gather->left--;
    gather->untold += is_of_interest(ask);
    gather->failures += outcome != MOON_GATHER_HAS_VALUE;
}

static struct slice without_blanks(struct slice text)
{
    while (text.start[0] <= ' ')
        text = slice_after(text, 1);
    while (text.start[text.length - 1] <= ' ')
        text.length--;
    return text;
}

static void take_value(struct gather_ask *ask, struct slice value)
{
    struct gather *gather = ask->gather;
    gather->places[ask->part - gather->plan->parts].value = value;
    end(ask, MOON_GATHER_HAS_VALUE);
}

/* Whether it has ended. */
static bool check(struct gather_ask *ask)
{
    struct json_syntax *syntax = &ask->syntax;
    size_t from = syntax->at;
    enum json_syntax_verdict verdict = json_syntax_continue(syntax, CHECK_BYTES);
    size_t to = verdict == JSON_SYNTAX_FITS ? syntax->text.length : syntax->at;

    /* Each piece ends where no character does not. */
    if (verdict != JSON_SYNTAX_FAILS && syntax->may_pass_ascii &&
        !utf8_is_valid(slice_of(syntax->text.start + from, to - from)))
        verdict = JSON_SYNTAX_FAILS;
    if (verdict == JSON_SYNTAX_GOES_ON) {
        loop_defer(ask->gather->loop, &ask->checking);
        return false;
    }
    if (verdict == JSON_SYNTAX_FITS)
        take_value(ask, without_blanks(syntax->text));
    else
        end(ask, MOON_GATHER_NOT_JSON);
    return true;
}

static void on_checking(struct loop_deferred *deferred)
{
    struct gather_ask *ask = CONTAINER_OF(deferred, struct gather_ask, checking);
    struct gather *gather = ask->gather;

    if (check(ask))
        tell(gather);
}

static bool judge(struct gather_ask *ask, enum fault fault)
{
    const struct fetch *fetch = &ask->fetch;

    ask->fault = fault;
    if (fault != FAULT_NONE) {
        end(ask, MOON_GATHER_FAULT);
    } else if (fetch->response->status < 200 || fetch->response->status > 299) {
        end(ask, MOON_GATHER_BAD_STATUS);
    } else if (buffer_length(&fetch->received) == 0) {
        take_value(ask, SLICE("null"));
    } else {
        json_syntax_begin(&ask->syntax, buffer_slice(&fetch->received));
        ask->syntax.takes_any_number = true;
        return check(ask);
    }
    return true;
}

static void on_ended(void *data, enum fault fault)
{
    struct gather_ask *ask = data;
    struct gather *gather = ask->gather;

    if (judge(ask, fault))
        tell(gather);
}

static void on_deadline(void *data)
{
    struct gather *gather = data;

    gather->is_late = true;
    for (uint32_t i = 0; i < gather->plan->part_count; i++) {
        struct gather_ask *ask = gather->places[i].ask;
        if (ask == NULL || !ask->is_sent || ask->has_ended)
            continue;
        fetch_stop(&ask->fetch);
        list_remove(&ask->checking.node);
        ask->fault = FAULT_TOTAL_TIMEOUT;
        end(ask, MOON_GATHER_FAULT);
    }
    tell(gather);
}

static void start_deadline(struct gather *gather, double seconds)
{
    if (seconds <= 0) {
        gather->is_late = true;
        return;
    }
    gather->deadline = timeout_acquire(gather->loop, on_deadline, gather);
    timeout_set(gather->deadline, seconds);
}

bool gather_begin(struct exchange *exchange, struct gather_plan *plan, double seconds)
{
    struct decision *decision = decision_of(exchange);
    struct gather *gather = arena_zeroed(
        &exchange->arena, sizeof(*gather) + plan->part_count * sizeof(struct gather_place));

    if (decision->gather != NULL)
        gather_clear(decision->gather);
    decision->gather = gather;
    gather->exchange = exchange;
    gather->plan = plan;
    gather->seconds = seconds;
    gather->loop = plan->generation->services->loop;
    start_deadline(gather, seconds);
    if (!gather_forward(gather))
        return false;
    for (uint32_t i = 0; i < plan->part_count; i++) {
        if (plan->parts[i].is_fixed)
            moon_gather_ask(exchange, i);
    }
    return true;
}

bool moon_gather_begin(struct exchange *exchange, struct gather_plan *plan, double seconds)
{
    struct gather *early = decision_of(exchange)->gather;

    if (early == NULL || !early->is_early)
        return gather_begin(exchange, plan, seconds);
    assert(early->plan == plan);
    early->is_early = false;
    return true;
}

void moon_gather_ask(struct exchange *exchange, uint32_t place)
{
    struct gather *gather = decision_of(exchange)->gather;
    assert(gather != NULL && place < gather->plan->part_count);
    if (gather->places[place].ask != NULL)
        return;
    struct gather_ask *ask = arena_alloc(&exchange->arena, sizeof(*ask));

    memset(ask, 0, offsetof(struct gather_ask, fetch));
    ask->gather = gather;
    ask->part = &gather->plan->parts[place];
    ask->checking.run = on_checking;
    list_init(&ask->checking.node);
    gather_make_request(ask);
    ask->fetch.ended = on_ended;
    ask->fetch.data = ask;
    gather->places[place].ask = ask;
    gather->left++;
}

static void start(struct gather_ask *ask)
{
    ask->is_sent = true;
    if (ask->part->cluster != NULL && !ask->gather->is_late) {
        fetch_start(&ask->fetch, ask->part->cluster);
        return;
    }
    ask->fault = ask->gather->is_late ? FAULT_TOTAL_TIMEOUT : FAULT_UPSTREAM_LIMIT;
    end(ask, MOON_GATHER_FAULT);
}

static void send_asked(struct gather *gather)
{
    for (uint32_t i = 0; i < gather->plan->part_count; i++) {
        struct gather_ask *ask = gather->places[i].ask;
        if (ask != NULL && !ask->is_sent && !ask->has_ended)
            start(ask);
    }
}

bool gather_await(struct gather *gather, void (*settled)(struct exchange *exchange))
{
    gather->is_early = true;
    send_asked(gather);
    if (is_settled(gather))
        return false;
    gather->settled = settled;
    return true;
}

static void on_cancel(void *wait)
{
    gather_stop(wait);
}

/* () -> the place of a part that has ended and is to be looked at, once; nil: all have ended. */
static int wait_for_one(lua_State *thread)
{
    struct task *task = task_awaiting(thread);
    struct exchange *exchange = task_exchange(task);
    struct gather *gather = exchange != NULL ? decision_of(exchange)->gather : NULL;

    if (gather == NULL || gather->waiting != NULL)
        return luaL_error(thread, "nothing has been asked for that this could wait for");
    send_asked(gather);
    int place = next_place(gather);
    if (place != NO_PLACE || gather->left == 0)
        return push_place(thread, place);
    gather->waiting = task;
    return task_suspend(task, on_cancel, gather);
}

const luaL_Reg GATHER_LIBRARY[] = {
    {"wait", wait_for_one},
    {NULL, NULL},
};
