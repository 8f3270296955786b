/*
 * route_matcher — finds the most specific route for a request among any number of them.
 *
 * Lua compiles the routes into it at load time (bridge/abi.h); it lives in one block of the
 * generation's memory, read-only afterwards, and a match allocates nothing, makes no Lua string and
 * costs the same for 1 and for 100,000 routes. Order: priority (higher first), host (exact, then
 * longest wildcard, then any), path segment by segment (literal, {name}, {name*}), then the number
 * of header, query and SNI conditions, then a method over none, then `when` over none.
 */
#pragma once

#include "base/arena.h"
#include "gateway/path_template.h"
#include "http/message.h"

#define ROUTE_MATCHER_CAPTURES_MAX   16
#define ROUTE_MATCHER_CANDIDATES_MAX 64

struct route_matcher;

struct route_condition {
    struct slice name;
    struct slice value; /* start NULL: present, with any value */
};

/* Everything of a route that decides whether it matches. Copied by the builder. */
struct route_pattern {
    uint32_t route; /* index that a match gives back */
    int priority;
    const struct slice *hosts; /* lower case; "*.example.com" for any depth below; none: any host */
    size_t host_count;
    const struct slice *methods; /* none: any */
    size_t method_count;
    struct slice path; /* "/users/{id}", "/files/{rest*}": checked by the caller */
    const struct route_condition *headers, *queries; /* compared with the first value */
    size_t header_count, query_count;
    struct slice server_name; /* SNI; empty: any */
    bool has_when;
};

struct route_matcher *route_matcher_create(void);
void route_matcher_destroy(struct route_matcher **matcher);
/* False when another route could not be told apart from it: `*conflict` is that one. */
bool route_matcher_add(struct route_matcher *matcher, const struct route_pattern *pattern,
                       uint32_t *conflict);
/* After the last add, before the first match: sorts, packs. */
void route_matcher_seal(struct route_matcher *matcher);

struct route_subject {
    const struct request *request;
    struct slice server_name; /* SNI; empty without TLS */
    struct arena *arena; /* for query values that need decoding; may be NULL when no route has query
                            conditions */
};

struct route_match {
    uint32_t route;
    bool has_when; /* the caller evaluates it, and goes on with route_matcher_next() when it says no
                    */
    unsigned capture_count;
    struct path_capture captures[ROUTE_MATCHER_CAPTURES_MAX];
    /* for route_matcher_next: how many candidates were already given */
    unsigned given;
};

enum route_outcome {
    ROUTE_FOUND,
    ROUTE_NOT_FOUND,
    ROUTE_METHOD_NOT_ALLOWED /* host and path match, the method does not: see route_matcher_allowed
                              */
};

/* HEAD is answered by a GET route where no HEAD route matches. */
enum route_outcome route_matcher_match(const struct route_matcher *matcher,
                                       const struct route_subject *subject,
                                       struct route_match *match);
/* The next best one after `match`; the same outcomes. */
enum route_outcome route_matcher_next(const struct route_matcher *matcher,
                                      const struct route_subject *subject,
                                      struct route_match *match);
/* "GET, HEAD, OPTIONS": methods of the routes whose other conditions match, for Allow; in the
 * arena. */
struct slice route_matcher_allowed(const struct route_matcher *matcher,
                                   const struct route_subject *subject, struct arena *arena);

/* For `explain`: why a route did not match; ROUTE_MISS_NONE when it does. Slow: checks one route.
 */
enum route_miss {
    ROUTE_MISS_NONE,
    ROUTE_MISS_HOST,
    ROUTE_MISS_PATH,
    ROUTE_MISS_METHOD,
    ROUTE_MISS_HEADER,
    ROUTE_MISS_QUERY,
    ROUTE_MISS_SERVER_NAME
};
enum route_miss route_matcher_why_not(const struct route_matcher *matcher, uint32_t route,
                                      const struct route_subject *subject);
size_t route_matcher_bytes(const struct route_matcher *matcher);
