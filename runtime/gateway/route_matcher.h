/*
 * route_matcher — finds the most specific route for a request among any number of them.
 *
 * Lua compiles the routes into it at load time (bridge/abi.h); it is the generation's, packed and
 * read-only afterwards, and a match allocates nothing, makes no Lua string and costs the same for 1
 * and for 100,000 routes. Order: priority (higher first), host (exact, then longest wildcard, then
 * any), path segment by segment (literal, {name}, {name*}), then the number of header, query and
 * SNI conditions, then a method over none, then `when` over none, then a named HEAD over the one
 * that comes with GET. What is still equal goes by the text of the conditions, so the order written
 * decides nothing; only two routes with a `when` are tried by `route`.
 *
 * Segments compare byte by byte in the normalised form. {name} takes one segment of at least one
 * byte; {name*} all that follows its slash, which may be nothing: "/files/{rest*}" matches
 * "/files/" and "/files/a/b", not "/files". A trailing slash counts. One trailing dot of a
 * request's host does not.
 */
#pragma once

#include "base/arena.h"
#include "gateway/path_template.h"
#include "http/message.h"

#define ROUTE_MATCHER_CAPTURES_MAX 16
/* Routes with the same host and path: these alone are tried one by one. */
#define ROUTE_MATCHER_CANDIDATES_MAX 1024
#define ROUTE_MATCHER_SEGMENTS_MAX   64
/* Header, query and SNI conditions of one route. */
#define ROUTE_MATCHER_CONDITIONS_MAX 64
/* Methods that enum method does not name, in all routes together. */
#define ROUTE_MATCHER_OTHER_METHODS_MAX (64 - METHOD_COUNT)
/* Given as `conflict` when there are ROUTE_MATCHER_CANDIDATES_MAX already. */
#define ROUTE_MATCHER_FULL UINT32_MAX

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
    struct slice path; /* "/users/{id}", "/files/{rest*}": form and limits checked by the caller,
                          literals normalised */
    const struct route_condition *headers, *queries; /* compared with the first value */
    size_t header_count, query_count;
    struct slice server_name; /* SNI, may begin with "*."; empty: any */
    bool has_when;
};

struct route_matcher *route_matcher_create(void);
/* About so many routes are going to be added: before the first one. */
void route_matcher_expect(struct route_matcher *matcher, size_t routes);
void route_matcher_destroy(struct route_matcher **matcher);
/*
 * False when another route could not be told apart from it: `*conflict` is that one, and nothing
 * was added. That is: a host and the path in common (whatever the placeholders' names), a method in
 * common or both without, the same priority and conditions, and neither has a `when`.
 */
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
    bool
        has_when; /* the caller evaluates it, and goes on with route_matcher_next when it says no */
    unsigned capture_count;
    struct path_capture captures[ROUTE_MATCHER_CAPTURES_MAX];
    int priority;   /* with `given`, where route_matcher_next goes on */
    unsigned given; /* its place among what host and path match, from 1 */
};

enum route_outcome {
    ROUTE_FOUND,
    ROUTE_NOT_FOUND,
    ROUTE_METHOD_NOT_ALLOWED /* all but the method matches some route: see route_matcher_allowed */
};

/* A GET route takes HEAD as well, after one that names HEAD at the same host, path and conditions.
 */
enum route_outcome route_matcher_match(const struct route_matcher *matcher,
                                       const struct route_subject *subject,
                                       struct route_match *match);
/* The next best one after `match`, which was ROUTE_FOUND for the same subject; the same outcomes.
 */
enum route_outcome route_matcher_next(const struct route_matcher *matcher,
                                      const struct route_subject *subject,
                                      struct route_match *match);
/*
 * "GET, HEAD, PUT": methods of the routes whose other conditions match, for Allow; in the arena.
 * HEAD comes with GET, OPTIONS only from a route that names it.
 */
struct slice route_matcher_allowed(const struct route_matcher *matcher,
                                   const struct route_subject *subject, struct arena *arena);

/* For `explain`: why a route did not match; ROUTE_MISS_NONE when it does. Checks one route. */
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
/* Memory of a sealed matcher. */
size_t route_matcher_bytes(const struct route_matcher *matcher);
