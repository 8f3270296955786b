/*
 * cache_request — the method first, then who only the origin can answer, then what the client
 * wants.
 */
#include "cache/cache_request.h"

#define ORIGIN_CONDITIONS (HEADERS_BIT(HEADER_IF_MATCH) | HEADERS_BIT(HEADER_IF_UNMODIFIED_SINCE))

/* Directives of a request that an operator may want to ignore; the others only ask for less. */
#define CLIENTS_DIRECTIVES \
    (CACHE_NO_CACHE | CACHE_MAX_AGE | CACHE_MIN_FRESH | CACHE_MAX_STALE | CACHE_STALE_IF_ERROR)

static bool has(const struct request *request, enum header_id id)
{
    return (request->headers.ids & HEADERS_BIT(id)) != 0 &&
           headers_find_known(&request->headers, id) != NULL;
}

static enum cache_way way_of(enum method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
        return CACHE_WAY_LOOKUP;
    case METHOD_OPTIONS:
    case METHOD_TRACE:
        return CACHE_WAY_PASS;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_PATCH:
    case METHOD_CONNECT:
    case METHOD_COUNT:
        return CACHE_WAY_WRITE;
    }
    return CACHE_WAY_WRITE;
}

/* Pragma counts where there is no Cache-Control (RFC 9111, 5.4). */
static void read_control(struct cache_request *asked, struct arena *arena)
{
    const struct request *request = asked->request;

    if (has(request, HEADER_CACHE_CONTROL)) {
        cache_control_read(&asked->control, &request->headers, arena);
    } else if (has(request, HEADER_PRAGMA)) {
        struct slice pragma = headers_joined(&request->headers, arena, SLICE("pragma"));
        if (slice_list_has(pragma, SLICE("no-cache")))
            asked->control.directives = CACHE_NO_CACHE;
    }
    if (!asked->policy->obeys_clients)
        asked->control.directives &= ~(unsigned)CLIENTS_DIRECTIVES;
}

/* What has nothing to do with the cache, whatever its method. */
static bool passes(const struct cache_request *asked)
{
    const struct request *request = asked->request;

    return asked->is_bypassed || asked->is_origins || request->body != BODY_NONE ||
           request->upgrade.start != NULL || (asked->policy->methods & 1u << request->method) == 0;
}

void cache_request_read(struct cache_request *asked, const struct cache_policy *policy,
                        const struct request *request, struct arena *arena)
{
    *asked = (struct cache_request){.request = request, .policy = policy, .range = SLICE_NONE};
    asked->way = way_of(request->method);
    asked->has_authorization = (request->headers.ids & HEADERS_BIT(HEADER_AUTHORIZATION)) != 0;
    asked->is_origins = (request->headers.ids & ORIGIN_CONDITIONS) != 0 &&
                        (has(request, HEADER_IF_MATCH) || has(request, HEADER_IF_UNMODIFIED_SINCE));
    asked->is_bypassed = policy->bypass_count > 0 &&
                         cache_policy_holds(policy->bypass, policy->bypass_count, request, arena);
    read_control(asked, arena);
    if (asked->way == CACHE_WAY_LOOKUP && passes(asked))
        asked->way = CACHE_WAY_PASS;
    asked->may_store =
        !asked->is_bypassed && !asked->is_origins &&
        !cache_control_has(&asked->control, CACHE_NO_STORE) &&
        ((asked->way == CACHE_WAY_LOOKUP && request->method == METHOD_GET) ||
         (request->method == METHOD_POST && (policy->methods & 1u << METHOD_POST) != 0)) &&
        !cache_policy_holds(policy->no_store, policy->no_store_count, request, arena);
    if (asked->way != CACHE_WAY_LOOKUP)
        return;
    asked->is_conditional =
        has(request, HEADER_IF_NONE_MATCH) || has(request, HEADER_IF_MODIFIED_SINCE);
    if (request->method == METHOD_GET && has(request, HEADER_RANGE))
        asked->range = headers_find_known(&request->headers, HEADER_RANGE)->value;
}

enum cache_forward cache_request_forward(const struct cache_request *asked)
{
    bool has_method = (asked->policy->methods & 1u << asked->request->method) != 0;

    if (asked->is_origins)
        return CACHE_FORWARD_REQUEST;
    return asked->is_bypassed || has_method ? CACHE_FORWARD_BYPASS : CACHE_FORWARD_METHOD;
}
