/*
 * decision — its making, and what routing and replies need of it.
 */
#include "bridge/decision.h"

#include <assert.h>

#include "gateway/exchange_deadline.h"
#include "gateway/gateway.h"
#include "net/stream.h"

static void join_sample(struct decision *decision)
{
    struct sampler *sampler = &decision->exchange->generation->generations->sampler;

    decision->ledger.weight = sampler_next(sampler);
    decision->ledger.clock_ns = sampler->clock_ns;
}

struct decision *decision_create(struct exchange *exchange)
{
    struct decision *decision = arena_zeroed(&exchange->arena, sizeof(*decision));

    decision->exchange = exchange;
    join_sample(decision);
    exchange->task = decision;
    return decision;
}

struct reply decision_reply(struct decision *decision)
{
    const struct decision_answer *answer = &decision->answer;

    if (!answer->is_problem)
        return (struct reply){answer->status, answer->headers.items, answer->headers.count,
                              answer->body};
    return problem_reply(decision->exchange, &(struct problem){
                                                 .status = answer->status,
                                                 .type = answer->type,
                                                 .detail = answer->detail,
                                                 .extensions = answer->extensions,
                                                 .headers = answer->headers.items,
                                                 .header_count = answer->headers.count,
                                             });
}

const struct route_matcher *decision_matcher(const struct exchange *exchange)
{
    const struct generation *generation = exchange->generation;
    bool is_admin = exchange->connection != NULL && exchange->connection->listen != NULL &&
                    exchange->connection->listen->is_admin;
    return is_admin ? generation->admin_matcher : generation->matcher;
}

struct slice decision_server_name(const struct exchange *exchange)
{
    const struct downstream *connection = exchange->connection;
    if (connection == NULL || connection->session == NULL)
        return SLICE("");
    const struct stream *stream = http_session_transport(connection->session);
    return stream_tls(stream) != NULL ? stream_server_name(stream) : SLICE("");
}

struct route_subject decision_subject(struct exchange *exchange)
{
    return (struct route_subject){exchange->request, decision_server_name(exchange),
                                  &exchange->arena};
}

void decision_accept_route(struct exchange *exchange)
{
    const struct generation *generation = exchange->generation;
    assert(exchange->match.route < generation->route_count);
    const struct generation_route *found = &generation->routes[exchange->match.route];
    const struct route *route = &found->route;

    exchange->route = route;
    exchange->phases = route->phases;
    exchange->call = *route->call;
    exchange->cache = route->is_cache_asked ? NULL : route->cache;
    exchange->cluster = found->cluster != GENERATION_NO_CLUSTER
                            ? generation->clusters[found->cluster].cluster
                            : NULL; /* an endpoint plugin answers */
    exchange->body_bytes_max = route->body_bytes_max;
    if (route->deadline != NULL)
        exchange_deadline_begin(exchange);
}

bool decision_sheds(struct exchange *exchange, unsigned criticality)
{
    struct shedder *shedder = gateway_shedder(exchange->gateway);

    if (!shedder_refuses(shedder, criticality))
        return false;
    exchange->record.retry_after_seconds = shedder_retry_seconds(shedder);
    return true;
}

static const struct generation_route *route_of(const struct exchange *exchange)
{
    const struct route *route = exchange->route;

    return route != NULL && route->index != ROUTE_DEPARTED
               ? &exchange->generation->routes[route->index]
               : NULL;
}

struct generation_native *decision_native(const struct exchange *exchange)
{
    struct generation *generation = exchange->generation;

    if (exchange->route == NULL)
        return &generation->use_native;
    if (exchange->route->index == ROUTE_DEPARTED)
        return NULL;
    return &generation->routes[exchange->route->index].native;
}

void decision_open_ledger(struct decision *decision)
{
    struct accounts *accounts = &decision->exchange->generation->accounts;
    const struct generation_route *found = route_of(decision->exchange);

    decision->ledger.rows = found != NULL ? accounts_rows(accounts, found->share, found->route.name)
                                          : accounts_rows(accounts, accounts->use, SLICE_NONE);
    decision->ledger.current = NULL;
}

void decision_count_error(struct decision *decision)
{
    const struct exchange *exchange = decision->exchange;

    if (decision->ledger.current != NULL)
        series_add(&decision->ledger.current->errors, 1);
    else
        accounts_count_when_error(&exchange->generation->accounts,
                                  exchange->route != NULL ? exchange->route->name : SLICE_NONE);
}

void decision_forget_state(struct exchange *exchange)
{
    struct decision *decision = exchange->task;
    lua_State *vm = exchange->generation->vm;

    if (decision == NULL || decision->held_parts == 0)
        return;
    lua_rawgeti(vm, LUA_REGISTRYINDEX, exchange->generation->states);
    lua_rawgeti(vm, -1, (int)exchange->slot + 1);
    assert(lua_istable(vm, -1));
    for (unsigned parts = decision->held_parts; parts != 0; parts &= parts - 1) {
        lua_pushboolean(vm, false);
        lua_rawseti(vm, -2, __builtin_ctz(parts));
    }
    lua_pop(vm, 2);
    decision->held_parts = 0;
}
