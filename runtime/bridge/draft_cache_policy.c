/*
 * draft_cache_policy — how routes want their answers to be cached: what the plugin `cache` was
 * told.
 *
 * Routes that say the same share what a policy points to; each has a policy of its own with its
 * name in it.
 */
#include <assert.h>

#include "bridge/draft.h"
#include "bridge/exports.h"

static struct cache_policy *add_policy(struct generation *generation)
{
    struct draft *draft = generation->draft;

    if (draft->cache_policy_count == draft->cache_policy_capacity) {
        size_t capacity = draft->cache_policy_capacity == 0 ? 8 : draft->cache_policy_capacity * 2;
        struct cache_policy *policies =
            arena_alloc(&generation->arena, capacity * sizeof(*policies));
        if (draft->cache_policy_count > 0)
            memcpy(policies, draft->cache_policies, draft->cache_policy_count * sizeof(*policies));
        draft->cache_policies = policies;
        draft->cache_policy_capacity = capacity;
    }
    return &draft->cache_policies[draft->cache_policy_count++];
}

double draft_finish_cache_policy(struct generation *generation)
{
    struct draft *draft = generation->draft;
    struct cache_policy *policy = add_policy(generation);

    *policy = CACHE_POLICY;
    policy->name = SLICE("moongate");
    policy->ttl = draft_number(draft, MOON_BUILD_CACHE_TTL, policy->ttl);
    return (double)(draft->cache_policy_count - 1);
}

const struct cache_policy *draft_cache_policy(struct generation *generation, struct slice route)
{
    struct draft *draft = generation->draft;

    if (!draft->has_number[MOON_BUILD_CACHE])
        return NULL;
    uint64_t index = draft_count(draft, MOON_BUILD_CACHE, 0);
    assert(index < draft->cache_policy_count);
    struct cache_policy *policy = arena_alloc(&generation->arena, sizeof(*policy));
    *policy = draft->cache_policies[index];
    policy->route = route;
    return policy;
}
