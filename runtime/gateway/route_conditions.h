/*
 * route_conditions — what routes ask of header fields, query parameters and SNI, as one list of all
 * routes.
 *
 * A route's conditions stand together, sorted by kind, name and value: two routes ask for the same
 * exactly when their runs are equal.
 */
#pragma once

#include "base/slice.h"
#include "gateway/route_matcher.h"

struct route_conditions;

/* Where a route's conditions are. */
struct route_condition_run {
    uint32_t first;
    uint16_t count; /* at most ROUTE_MATCHER_CONDITIONS_MAX */
};

struct route_conditions *route_conditions_create(void);
void route_conditions_destroy(struct route_conditions **conditions);
/* Copies those of `pattern`. */
struct route_condition_run route_conditions_add(struct route_conditions *conditions,
                                                const struct route_pattern *pattern);
/* Forgets the newest run. */
void route_conditions_undo(struct route_conditions *conditions, struct route_condition_run run);
/* Gives back what growing left over. */
void route_conditions_seal(struct route_conditions *conditions);

/* Less than, equal to, or greater than 0: an order that depends on nothing but what the runs ask
 * for. */
int route_conditions_compare(const struct route_conditions *conditions,
                             struct route_condition_run one, struct route_condition_run other);
/* The kind of the first one that does not hold: header, query or SNI. ROUTE_MISS_NONE when all do.
 */
enum route_miss route_conditions_check(const struct route_conditions *conditions,
                                       struct route_condition_run run,
                                       const struct route_subject *subject);
size_t route_conditions_bytes(const struct route_conditions *conditions);

/* Whether a host name (any case) is `pattern`, or below it when that starts with "*.". */
bool route_conditions_host_matches(struct slice pattern, struct slice name);
