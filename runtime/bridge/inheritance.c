/*
 * inheritance — an exchange forgets all that it has of one generation, and is routed in another.
 */
#include "bridge/inheritance.h"

#include "bridge/decision.h"
#include "bridge/gather.h"
#include "bridge/generation_clusters.h"
#include "gateway/gateway.h"

/* Exchanges looked at with each call. */
#define SLOTS_PER_TURN 4096

static bool needs_only_log(const struct exchange *exchange)
{
    const struct decision *decision = exchange->task;
    bool is_streaming =
        exchange->step == EXCHANGE_SENDING && (exchange->phases & ROUTE_RESPONSE_CHUNK) == 0;

    return (exchange->step == EXCHANGE_TUNNEL || is_streaming) &&
           !exchange->private.collection.is_active && (decision == NULL || decision->task == NULL);
}

/* The route that has the same name and would take the request, or NULL. A `when` is not asked. */
static const struct route *find_route(struct exchange *exchange, struct slice name)
{
    const struct route_matcher *matcher = decision_matcher(exchange);
    const struct generation *generation = exchange->generation;
    struct route_subject subject = decision_subject(exchange);
    enum route_outcome outcome = route_matcher_match(matcher, &subject, &exchange->match);

    while (outcome == ROUTE_FOUND) {
        const struct route *route = &generation->routes[exchange->match.route].route;
        if (slice_equals(route->name, name))
            return route;
        outcome = route_matcher_next(matcher, &subject, &exchange->match);
    }
    return NULL;
}

/* What is left of a route that the heir does not have: its name. It is the exchange's own, however
 * many heirs there will be. */
static const struct route *make_departed(struct exchange *exchange, const struct route *route)
{
    if (route->index == ROUTE_DEPARTED)
        return route;
    struct route *departed = arena_zeroed(&exchange->arena, sizeof(*departed));

    departed->index = ROUTE_DEPARTED;
    departed->name = arena_copy(&exchange->arena, route->name);
    departed->source = arena_copy(&exchange->arena, route->source);
    return departed;
}

static void take_route(struct exchange *exchange)
{
    const struct generation *heir = exchange->generation;
    const struct route *before = exchange->route;

    exchange->phases = heir->use_phases & ROUTE_LOG;
    if (before == NULL)
        return;
    exchange->route = find_route(exchange, before->name);
    if (exchange->route != NULL)
        exchange->phases = exchange->route->phases & ROUTE_LOG;
    else
        exchange->route = make_departed(exchange, before);
}

static void take_cluster(struct exchange *exchange)
{
    const struct generation *heir = exchange->generation;

    if (exchange->cluster == NULL)
        return;
    int found = generation_clusters_find(heir, cluster_name(exchange->cluster));
    exchange->cluster = found >= 0 ? heir->clusters[found].cluster : NULL;
}

/* What the ancestor's memory has. */
static void forget_memory(struct decision *decision)
{
    decision->consumer = SLICE_NONE;
    if (decision->gather != NULL)
        gather_clear(decision->gather);
    decision->gather = NULL;
}

static void take(struct exchange *exchange, struct generation *heir)
{
    struct generation *ancestor = exchange->generation;

    decision_forget_state(exchange);
    if (exchange->task != NULL)
        forget_memory(decision_of(exchange));
    /* What plugins have set may be texts of the ancestor; the log reads it. */
    headers_keep(&exchange->response->headers, &exchange->arena);
    exchange->generation = generation_acquire(heir);
    take_route(exchange);
    take_cluster(exchange);
    generation_release(&ancestor);
}

void inheritance_take(struct generation *ancestor, struct generation *heir, uint32_t *slot)
{
    struct gateway *gateway = heir->services->gateway;
    struct exchange *exchange;

    for (uint32_t i = 0; i < SLOTS_PER_TURN; i++) {
        exchange = gateway_exchange(gateway, *slot);
        if (exchange == NULL) {
            *slot = 0;
            return;
        }
        (*slot)++;
        if (exchange->generation == ancestor && needs_only_log(exchange))
            take(exchange, heir);
    }
}
