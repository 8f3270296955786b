/*
 * exchange_deadline — one timer of an exchange, and what it means in each of its steps.
 */
#include "gateway/exchange_deadline.h"

#include <assert.h>
#include <math.h>

#include "gateway/deadline_rules.h"
#include "gateway/exchange_private.h"
#include "gateway/gateway.h"
#include "gateway/gateway_totals.h"
#include "net/timeout.h"
#include "shm/series.h"

static struct loop *loop_of(const struct exchange *exchange)
{
    return gateway_loop(exchange->gateway);
}

static const struct deadline_rules *rules_of(const struct exchange *exchange)
{
    return exchange->route != NULL ? exchange->route->deadline : NULL;
}

static void count_end(const struct exchange *exchange)
{
    const struct gateway_totals *totals = gateway_totals_of(exchange->gateway);

    if (exchange->private.is_head_sent)
        series_add(totals->deadlines_answering, 1);
    else if (exchange_call_record(exchange)->attempts > 0)
        series_add(totals->deadlines_waiting, 1);
    else
        series_add(totals->deadlines_before, 1);
}

/* The answer is all there: who takes his time to read it has done so knowingly. */
static bool is_settled(const struct exchange *exchange)
{
    return exchange->step == EXCHANGE_TUNNEL || exchange->private.response_complete;
}

static void on_deadline(void *data)
{
    struct exchange *exchange = data;
    bool asks_policies = exchange->step != EXCHANGE_RESPONDING; /* or they would begin again */

    if (is_settled(exchange))
        return;
    count_end(exchange);
    if (exchange->private.is_head_sent)
        exchange_break_off(exchange, FAULT_DEADLINE_ENDED);
    else
        exchange_answer_fault(exchange, FAULT_DEADLINE_ENDED, asks_policies);
}

/* False: nothing is said, or nothing that can be read. */
static bool read_field(const struct exchange *exchange, const struct deadline_rules *rules,
                       double *left)
{
    const struct headers *headers = &exchange->request->headers;
    const struct header *found = headers_find(headers, rules->field.key.name);

    if (found == NULL)
        return false;
    if (headers_find_next(headers, found) == NULL &&
        deadline_read(rules->field.format, found->value, loop_now(loop_of(exchange)), left))
        return true;
    series_add(gateway_totals_of(exchange->gateway)->deadlines_malformed, 1);
    return false;
}

static void set_timer(struct exchange *exchange, double left)
{
    exchange->private.deadline_timer = timeout_acquire(loop_of(exchange), on_deadline, exchange);
    if (left > 0)
        timeout_set(exchange->private.deadline_timer, left);
}

/* Where Lua finds the route there is no time to answer before its plugins begin: the timer does. */
#define AT_ONCE 0.000001

void exchange_deadline_begin(struct exchange *exchange)
{
    const struct deadline_rules *rules = rules_of(exchange);
    struct call_options *call = &exchange->call;
    double left;

    struct call_deadline *told = arena_zeroed(&exchange->arena, sizeof(*told));
    told->field = rules->is_passed_on && !rules->is_report_only ? &rules->field : NULL;
    told->seconds_least = rules->seconds_least;
    call->deadline = told;
    assert(exchange->private.deadline_at <= 0); /* an exchange has one route */
    if (!read_field(exchange, rules, &left))
        return;
    left = fmax(left, 0); /* a time may be long past */
    if (rules->seconds_max > 0)
        left = fmin(left, rules->seconds_max);
    exchange->private.deadline_at = loop_monotonic(loop_of(exchange)) + left;
    if (rules->is_report_only)
        return;
    if (rules->trusts_proxies && exchange->connection->is_trusted && left > call->total_seconds)
        call->total_seconds = 0;
    told->at = exchange->private.deadline_at;
    set_timer(exchange, left > AT_ONCE ? left : AT_ONCE);
}

double exchange_deadline_left(const struct exchange *exchange)
{
    double left;

    if (exchange->private.deadline_timer == NULL)
        return -1;
    left = exchange->private.deadline_at - loop_monotonic(loop_of(exchange));
    return left > 0 ? left : 0;
}

bool exchange_deadline_has_ended(struct exchange *exchange)
{
    if (exchange->private.deadline_timer == NULL ||
        exchange_deadline_left(exchange) > rules_of(exchange)->seconds_least)
        return false;
    timeout_clear(exchange->private.deadline_timer);
    count_end(exchange);
    return true;
}

void exchange_deadline_end(struct exchange *exchange)
{
    double at = exchange->private.deadline_at;

    if (exchange->private.deadline_timer != NULL)
        timeout_release(&exchange->private.deadline_timer);
    else if (at > 0 && loop_monotonic(loop_of(exchange)) > at)
        series_add(gateway_totals_of(exchange->gateway)->deadlines_reported, 1);
}
