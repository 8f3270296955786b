/*
 * export_generation — routes, the log and the clock for Lua.
 */
#include <assert.h>

#include "base/log.h"
#include "bridge/decision.h"
#include "bridge/exports.h"
#include "gateway/gateway.h"
#include "net/loop.h"
#include "shm/shared.h"

struct exchange *moon_exchange(struct generation *generation, uint32_t slot)
{
    return gateway_exchange(generation->services->gateway, slot);
}

void moon_state_holds(struct exchange *exchange, uint32_t part)
{
    assert(part < 32);
    decision_of(exchange)->held_parts |= 1U << part;
}

int moon_route_candidate(struct exchange *exchange)
{
    struct generation *generation = exchange->generation;

    if (decision_of(exchange)->outcome != ROUTE_FOUND)
        return -1;
    const struct route *route = &generation->routes[exchange->match.route].route;
    worker_place_set_route(generation->tasks.place, (uintptr_t)route, route->name);
    worker_place_set_step(generation->tasks.place, WORKER_STEP(WORKER_PHASE_WHEN, 0));
    return (int)exchange->match.route;
}

void moon_route_reject(struct exchange *exchange)
{
    struct route_subject subject = decision_subject(exchange);
    decision_of(exchange)->outcome =
        route_matcher_next(decision_matcher(exchange), &subject, &exchange->match);
}

void moon_route_accept(struct exchange *exchange)
{
    decision_accept_route(exchange);
    decision_open_ledger(decision_of(exchange));
}

bool moon_request_is_shed(struct exchange *exchange, int criticality)
{
    unsigned own = exchange->route->criticality;

    assert(criticality >= 0 && criticality <= TRIAGE_CRITICAL);
    return decision_sheds(exchange, criticality > 0 ? (unsigned)criticality : own);
}

uint32_t moon_route_count(struct generation *generation)
{
    return generation->route_count;
}

bool moon_route_text(struct generation *generation, uint32_t route, int which, struct slice *text)
{
    if (route >= generation->route_count)
        return false;
    const struct route *one = &generation->routes[route].route;
    *text = which == MOON_TEXT_ROUTE          ? one->name
            : which == MOON_TEXT_ROUTE_SOURCE ? one->source
                                              : SLICE_NONE;
    return text->start != NULL;
}

static void log_for(struct exchange *exchange, enum log_level level, struct slice text)
{
    if (exchange != NULL)
        log_write_request(level, exchange_id(exchange), "%.*s", SLICE_FORMAT(text));
    else
        log_write(level, "%.*s", SLICE_FORMAT(text));
}

void moon_log(struct generation *generation, int level, const char *text, size_t length)
{
    const struct task *running = generation != NULL ? generation->tasks.running : NULL;
    assert(level >= LOG_DEBUG && level <= LOG_ERROR);
    log_for(running != NULL ? task_exchange(running) : NULL, (enum log_level)level,
            exports_slice(text, length));
}

void moon_plugin_raised(struct exchange *exchange, const char *text, size_t length)
{
    decision_count_error(decision_of(exchange));
    log_for(exchange, LOG_ERROR, exports_slice(text, length));
}

uint32_t *moon_step(struct generation *generation)
{
    return &generation->tasks.place->step;
}

void moon_step_begin(struct generation *generation, uint32_t step, uint32_t at, uint32_t calls)
{
    worker_place_set_step(generation->tasks.place, step);
    ledger_enter(generation->tasks.ledger, at, calls);
}

uint32_t moon_plugin_number(struct generation *generation, const char *name, size_t length)
{
    if (generation->shared == NULL)
        return 0;
    return plugin_accounts_number(&generation->shared->accounts, exports_slice(name, length));
}

bool moon_log_is_on(int level)
{
    return log_is_on((enum log_level)level);
}

double moon_now(struct generation *generation)
{
    return generation->services != NULL ? loop_now(generation->services->loop) : ev_time();
}

bool moon_is_live(struct generation *generation)
{
    return generation->services != NULL;
}

bool moon_is_current(struct generation *generation)
{
    return generation->is_current;
}
