/*
 * cache_policy — what holds where an operator said nothing, and conditions of requests.
 */
#include "cache/cache_policy.h"

#include "http/cookie.h"
#include "http/uri.h"

#define DAY_SECONDS  86400
#define HOUR_SECONDS 3600

static const struct header_key TARGETED[] = {
    {{"moongate-cache-control", sizeof("moongate-cache-control") - 1}, HEADER_OTHER},
    {{"cdn-cache-control", sizeof("cdn-cache-control") - 1}, HEADER_OTHER},
};

const struct cache_policy CACHE_POLICY = {
    .name = {"moongate", sizeof("moongate") - 1},
    .ttl = CACHE_POLICY_NONE,
    .heuristic_share = 0.1,
    .heuristic_max = DAY_SECONDS,
    .lifetime_max = CACHE_POLICY_NONE,
    .keep = HOUR_SECONDS,
    .methods = 1 << METHOD_GET | 1 << METHOD_HEAD,
    .obeys_clients = true,
    .has_wider_keys = true,
    .targeted = TARGETED,
    .targeted_count = sizeof(TARGETED) / sizeof(TARGETED[0]),
    .object_bytes_max = UINT64_MAX,
    .is_status_shown = true,
};

static bool holds(const struct cache_condition *condition, const struct request *request,
                  struct arena *arena)
{
    const struct header *header;
    struct slice value = SLICE_NONE;

    switch (condition->kind) {
    case CACHE_CONDITION_HEADER:
        header = condition->name.id != HEADER_OTHER
                     ? headers_find_known(&request->headers, condition->name.id)
                     : headers_find(&request->headers, condition->name.name);
        value = header != NULL ? header->value : SLICE_NONE;
        break;
    case CACHE_CONDITION_COOKIE:
        value = cookie_value(&request->headers, condition->name.name);
        break;
    case CACHE_CONDITION_QUERY:
        if (request->query.start != NULL)
            value = uri_query_value(request->query, condition->name.name, arena);
        break;
    }
    return value.start != NULL &&
           (condition->value.start == NULL || slice_equals(value, condition->value));
}

bool cache_policy_holds(const struct cache_condition *conditions, size_t count,
                        const struct request *request, struct arena *arena)
{
    for (size_t i = 0; i < count; i++) {
        if (holds(&conditions[i], request, arena))
            return true;
    }
    return false;
}

void cache_policy_hide(const struct cache_policy *policy, struct response *response)
{
    if (policy->is_tags_hidden && policy->tags.name.start != NULL)
        headers_remove_key(&response->headers, policy->tags);
}

/* FNV-1a: stored answers outlive whatever counts routes. */
uint32_t cache_policy_account(struct slice route)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < route.length; i++)
        hash = (hash ^ (unsigned char)route.start[i]) * 16777619U;
    return hash != 0 ? hash : 1;
}
