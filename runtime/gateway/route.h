/*
 * route — what the core needs to know of a route to carry a request along it.
 *
 * Built by Lua at load time into the generation's memory, read-only afterwards. What a policy needs
 * beyond it (plugins and their options) stays in Lua, found by `index`.
 */
#pragma once

#include "base/slice.h"
#include "cache/cache_policy.h"
#include "gateway/deadline_rules.h"
#include "gateway/path_template.h"
#include "upstream/call.h"
#include "upstream/cluster.h"

/* Which phases some plugin of the route (or of `use`) takes part in: the others are never called.
 */
enum route_phase {
    ROUTE_REQUEST = 1,
    ROUTE_RESPOND = 2,
    ROUTE_RESPONSE = 4,
    ROUTE_RESPONSE_CHUNK = 8,
    ROUTE_RESPONSE_BODY = 16,
    ROUTE_LOG = 32,
    ROUTE_WHEN = 64 /* a predicate in Lua decides whether it matches */
};

/* Index of a route that its exchange has outlived. */
#define ROUTE_DEPARTED UINT32_MAX

/* What each request needs comes first, in fewer bytes than a line of the cache has. */
struct route {
    uint32_t index;                        /* in the generation, from 0 */
    uint8_t phases;                        /* of enum route_phase */
    uint8_t criticality;                   /* of its requests: gateway/triage.h */
    bool is_criticality_asked;             /* a function in Lua tells it */
    bool allows_upgrade : 1;               /* tunnels pass; otherwise Upgrade is ignored */
    bool is_cache_asked : 1;               /* the cache takes part only where a plugin says so */
    const struct path_template *rewrite;   /* NULL: the normalised path goes upstream */
    const struct slice *upstream_host;     /* Host sent upstream; NULL: the client's */
    const struct call_options *call;       /* mostly the one of many routes */
    const struct deadline_rules *deadline; /* NULL: what a request says of its time is nothing */
    const struct cache_policy *cache;      /* NULL: its answers are not cached */
    uint64_t body_bytes_max;               /* of a request; 413 beyond */
    struct slice name; /* what logs and metrics call it: "GET /users/{id}" or the operator's own */
    struct slice source; /* "routes/users.lua:12" */
};
