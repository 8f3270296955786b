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
#include "cache/cache_counters.h"

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

/* ---- lists, in the generation's arena ---- */

static struct header_key header_key(struct arena *arena, struct slice name)
{
    struct slice kept = arena_copy(arena, name);
    return (struct header_key){kept, header_id_of(kept)};
}

static const struct header_key *header_keys(struct generation *generation, int which, size_t *count)
{
    struct slice *names = draft_list(generation->draft, which, count);
    struct header_key *keys = arena_alloc(&generation->arena, *count * sizeof(*keys));

    for (size_t i = 0; i < *count; i++)
        keys[i] = header_key(&generation->arena, names[i]);
    return keys;
}

static const struct slice *texts(struct generation *generation, int which, size_t *count)
{
    struct slice *found = draft_list(generation->draft, which, count);
    struct slice *kept = arena_alloc(&generation->arena, *count * sizeof(*kept));

    for (size_t i = 0; i < *count; i++)
        kept[i] = arena_copy(&generation->arena, found[i]);
    return kept;
}

/* The three kinds from `which` on are those of enum cache_condition_kind. */
static const struct cache_condition *conditions(struct generation *generation, int which,
                                                size_t *count)
{
    struct draft *draft = generation->draft;
    struct arena *arena = &generation->arena;
    struct cache_condition *list = arena_alloc(arena, draft->entry_count * sizeof(*list));

    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        const struct draft_entry *entry = &draft->entries[i];
        int kind = entry->which - DRAFT_PAIR - which;
        if (kind < CACHE_CONDITION_HEADER || kind > CACHE_CONDITION_QUERY)
            continue;
        struct header_key name = header_key(arena, entry->name);
        if (kind != CACHE_CONDITION_HEADER)
            name.id = HEADER_OTHER;
        list[(*count)++] = (struct cache_condition){
            .kind = (enum cache_condition_kind)kind,
            .name = name,
            .value = entry->value.start != NULL ? arena_copy(arena, entry->value) : SLICE_NONE};
    }
    return list;
}

/* "404" or "500-599": three digits each, which Lua has checked. */
static struct cache_policy_ttl ttl_of(const struct draft_entry *entry)
{
    uint64_t first = 0, last = 0;
    struct slice text = entry->value;
    bool is_range = text.length == 7;

    assert(text.length == 3 || is_range);
    bool is_first = slice_to_uint64(slice_of(text.start, 3), &first);
    bool is_last = slice_to_uint64(slice_of(text.start + (is_range ? 4 : 0), 3), &last);
    assert(is_first && is_last);
    return (struct cache_policy_ttl){(uint16_t)first, (uint16_t)last, entry->ttl};
}

/* Single ones before ranges, whatever their order in the table of the configuration. */
static const struct cache_policy_ttl *ttls(struct generation *generation, size_t *count)
{
    const struct draft *draft = generation->draft;
    struct cache_policy_ttl *list =
        arena_alloc(&generation->arena, draft->entry_count * sizeof(*list));

    *count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < draft->entry_count; i++) {
            const struct draft_entry *entry = &draft->entries[i];
            if (entry->which == MOON_BUILD_CACHE_STATUS &&
                (entry->value.length == 3) == (pass == 0))
                list[(*count)++] = ttl_of(entry);
        }
    }
    return list;
}

/* ---- the policy ---- */

static bool flag(const struct draft *draft, int which, bool missing)
{
    return draft_number(draft, which, missing) != 0;
}

static void set_lifetimes(struct generation *generation, struct cache_policy *policy)
{
    const struct draft *draft = generation->draft;

    policy->ttls = ttls(generation, &policy->ttl_count);
    policy->ttl = draft_number(draft, MOON_BUILD_CACHE_TTL, policy->ttl);
    policy->is_ttl_forced = flag(draft, MOON_BUILD_CACHE_TTL_FORCED, false);
    policy->lifetime_max = draft_number(draft, MOON_BUILD_CACHE_TTL_MAX, policy->lifetime_max);
    policy->heuristic_share =
        draft_number(draft, MOON_BUILD_CACHE_HEURISTIC, policy->heuristic_share);
    policy->heuristic_max =
        draft_number(draft, MOON_BUILD_CACHE_HEURISTIC_MAX, policy->heuristic_max);
    policy->grace = draft_number(draft, MOON_BUILD_CACHE_GRACE, policy->grace);
    policy->stale_if_error =
        draft_number(draft, MOON_BUILD_CACHE_STALE_IF_ERROR, policy->stale_if_error);
    policy->keep = draft_number(draft, MOON_BUILD_CACHE_KEEP, policy->keep);
    policy->is_stale_after_s_maxage = flag(draft, MOON_BUILD_CACHE_AFTER_S_MAXAGE, false);
}

static void set_key(struct generation *generation, struct cache_policy *policy)
{
    const struct draft *draft = generation->draft;

    policy->query = (enum cache_query)draft_count(draft, MOON_BUILD_CACHE_QUERY, CACHE_QUERY_ALL);
    assert(policy->query <= CACHE_QUERY_NONE);
    policy->query_names = texts(generation, MOON_BUILD_CACHE_QUERY_NAME, &policy->query_name_count);
    policy->key_headers =
        header_keys(generation, MOON_BUILD_CACHE_KEY_HEADER, &policy->key_header_count);
    policy->key_cookies = texts(generation, MOON_BUILD_CACHE_KEY_COOKIE, &policy->key_cookie_count);
    policy->is_key_by_consumer = flag(draft, MOON_BUILD_CACHE_BY_CONSUMER, false);
    assert(policy->key_header_count <= CACHE_POLICY_FIELDS_MAX);
    assert(policy->key_cookie_count <= CACHE_POLICY_FIELDS_MAX);
}

static void set_admission(struct generation *generation, struct cache_policy *policy)
{
    const struct draft *draft = generation->draft;

    if (draft->has_number[MOON_BUILD_CACHE_GETS])
        policy->methods = (flag(draft, MOON_BUILD_CACHE_GETS, true) ? 1u << METHOD_GET : 0) |
                          (flag(draft, MOON_BUILD_CACHE_HEADS, false) ? 1u << METHOD_HEAD : 0) |
                          (flag(draft, MOON_BUILD_CACHE_POSTS, false) ? 1u << METHOD_POST : 0);
    policy->bypass = conditions(generation, MOON_BUILD_BYPASS_HEADER, &policy->bypass_count);
    policy->no_store = conditions(generation, MOON_BUILD_NO_STORE_HEADER, &policy->no_store_count);
    policy->set_cookie = (enum cache_set_cookie)draft_count(draft, MOON_BUILD_CACHE_SET_COOKIE,
                                                            CACHE_SET_COOKIE_PASS);
    assert(policy->set_cookie <= CACHE_SET_COOKIE_STORE);
    policy->obeys_clients = flag(draft, MOON_BUILD_CACHE_OBEYS_CLIENTS, policy->obeys_clients);
    policy->is_range_passed = flag(draft, MOON_BUILD_CACHE_RANGE_PASSED, false);
    policy->object_bytes_max =
        draft_count(draft, MOON_BUILD_CACHE_OBJECT_MAX, policy->object_bytes_max);
}

static void set_fields(struct generation *generation, struct cache_policy *policy)
{
    const struct draft *draft = generation->draft;
    struct slice tags = draft->texts[MOON_BUILD_CACHE_TAGS];
    size_t count;

    policy->name =
        arena_copy(&generation->arena, draft_text(draft, MOON_BUILD_CACHE_NAME, policy->name));
    const struct header_key *targeted = header_keys(generation, MOON_BUILD_CACHE_TARGETED, &count);
    policy->targeted = targeted;
    policy->targeted_count = count;
    if (tags.length > 0)
        policy->tags = header_key(&generation->arena, tags);
    policy->is_tags_hidden = flag(draft, MOON_BUILD_CACHE_TAGS_HIDDEN, false);
    policy->is_status_shown = flag(draft, MOON_BUILD_CACHE_STATUS_SHOWN, policy->is_status_shown);
    policy->is_key_shown = flag(draft, MOON_BUILD_CACHE_KEY_SHOWN, false);
}

double draft_finish_cache_policy(struct generation *generation)
{
    struct cache_policy *policy = add_policy(generation);

    *policy = CACHE_POLICY;
    set_lifetimes(generation, policy);
    set_key(generation, policy);
    set_admission(generation, policy);
    set_fields(generation, policy);
    return (double)(generation->draft->cache_policy_count - 1);
}

/* Two routes that have the same URIs differ in what else they are chosen by. */
static bool is_chosen_by_more(const struct draft *draft)
{
    for (size_t i = 0; i < draft->entry_count; i++) {
        int pair = draft->entries[i].which - DRAFT_PAIR;
        if (pair == MOON_BUILD_HEADER || pair == MOON_BUILD_QUERY)
            return true;
    }
    return draft->texts[MOON_BUILD_SNI].length > 0 ||
           draft_number(draft, MOON_BUILD_HAS_WHEN, 0) != 0;
}

/* Plugins that run before may choose another path or upstream, which is in the key then. */
static bool is_wider(const struct cache_policy *policy, const struct draft *draft)
{
    return policy->scope.length > 0 || policy->is_key_by_consumer || policy->key_header_count > 0 ||
           policy->key_cookie_count > 0 ||
           (draft_count(draft, MOON_BUILD_PHASES, 0) & ROUTE_REQUEST) != 0;
}

const struct cache_policy *draft_cache_policy(struct generation *generation, struct slice route)
{
    struct draft *draft = generation->draft;
    struct draft_route_policy *kept;

    if (!draft->has_number[MOON_BUILD_CACHE])
        return NULL;
    uint64_t index = draft_count(draft, MOON_BUILD_CACHE, 0);
    assert(index < draft->cache_policy_count);
    kept = arena_alloc(&generation->arena, sizeof(*kept));
    kept->next = draft->route_policies;
    draft->route_policies = kept;
    struct cache_policy *policy = &kept->policy;
    *policy = draft->cache_policies[index];
    policy->route = route;
    policy->account = cache_policy_account(route);
    policy->scope = is_chosen_by_more(draft) ? route : SLICE("");
    policy->counters = arena_zeroed(&generation->arena, sizeof(*policy->counters));
    policy->counters->route = route;
    draft->has_wider_keys |= is_wider(policy, draft);
    return policy;
}

void draft_seal_cache_policies(struct draft *draft)
{
    struct draft_route_policy *kept = draft->route_policies;

    for (; kept != NULL; kept = kept->next)
        kept->policy.has_wider_keys = draft->has_wider_keys;
}
