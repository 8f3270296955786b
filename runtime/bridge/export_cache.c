/*
 * export_cache — what the cache did with a request, purges, and how much it has, for Lua.
 */
#include "base/mem.h"
#include "bridge/exports.h"
#include "bridge/generation_private.h"
#include "cache/cache_counters.h"
#include "cache/cache_purge.h"
#include "cache/cached_call.h"
#include "gateway/exchange.h"
#include "shm/object_accounts.h"
#include "shm/object_purge.h"
#include "shm/shared.h"

/* Looked at in one turn of the loop. */
#define HELD_PAGES 2048

static struct object_store *store_of(const struct generation *generation)
{
    return &generation->services->shared->objects;
}

int moon_cache_purge(struct generation *generation, const char *line, size_t length,
                     struct slice *fault)
{
    struct cache_purge purge;
    struct arena arena;

    if (!cache_purge_read(exports_slice(line, length), &purge)) {
        *fault = SLICE("expected url, prefix, tag, route, plugin-cache or all");
        return -1;
    }
    arena_init(&arena);
    enum cache_purge_result result = cache_purge_begin(
        store_of(generation), &generation->services->shared->values, &purge, &arena);
    arena_clear(&arena);
    const char *text = cache_purge_fault(result);
    if (text != NULL) {
        *fault = slice_from_string(text);
        return -1;
    }
    return result == CACHE_PURGE_BEGUN;
}

bool moon_cache_sweep(struct generation *generation, uint64_t *state)
{
    struct object_purge_scan scan = {.purged = state[MOON_CACHE_SWEEP_PURGED],
                                     .stamp = state[MOON_CACHE_SWEEP_STAMP],
                                     .page = (uint32_t)state[MOON_CACHE_SWEEP_PAGE],
                                     .has_begun = state[MOON_CACHE_SWEEP_HAS_BEGUN] != 0};
    bool is_unfinished = cache_purge_sweep(store_of(generation), &scan);

    state[MOON_CACHE_SWEEP_PURGED] = scan.purged;
    state[MOON_CACHE_SWEEP_STAMP] = scan.stamp;
    state[MOON_CACHE_SWEEP_PAGE] = scan.page;
    state[MOON_CACHE_SWEEP_HAS_BEGUN] = scan.has_begun;
    return is_unfinished;
}

static struct slice text_of(const char *text)
{
    return text != NULL ? slice_from_string(text) : SLICE_NONE;
}

bool moon_cache_seen(struct exchange *exchange, struct moon_cache_seen *seen)
{
    if (exchange->cached == NULL)
        return false;
    const struct cache_status *status = cached_call_status(exchange->cached);
    bool is_hit = status->forward == CACHE_FORWARD_NONE;
    *seen = (struct moon_cache_seen){
        .outcome = text_of(cache_outcome_text(cache_outcome_of(status))),
        .reason = is_hit ? SLICE_NONE : text_of(cache_forward_text(status->forward)),
        .detail = text_of(status->detail),
        .age = (double)status->age,
        .ttl = (double)status->ttl,
        .has_ttl = status->has_ttl,
        .is_stored = status->is_stored,
        .is_collapsed = status->is_collapsed,
    };
    return true;
}

size_t moon_cache_held_bytes(void)
{
    return sizeof(struct object_accounts);
}

bool moon_cache_held_look(struct generation *generation, void *held)
{
    return object_accounts_look(store_of(generation), held, HELD_PAGES);
}

/* What no route of this generation has. */
static uint64_t evicted_rest(const struct generation *generation)
{
    const struct tallies *evicted = &generation->services->shared->evicted;
    struct tallies_seen seen;

    tallies_look(evicted, &seen);
    for (uint32_t i = 0; i < generation->route_count; i++) {
        const struct cache_policy *policy = generation->routes[i].route.cache;
        if (policy != NULL)
            tallies_leave_out(evicted, policy->account, &seen);
    }
    return tallies_rest(&seen);
}

bool moon_cache_held_next(struct generation *generation, void *held, uint32_t *at,
                          struct slice *name, double *numbers)
{
    const struct tallies *evicted = &generation->services->shared->evicted;

    while (*at < generation->route_count) {
        const struct route *route = &generation->routes[(*at)++].route;
        if (route->cache == NULL)
            continue;
        numbers[0] = (double)object_accounts_take(held, route->cache->account);
        numbers[1] = (double)tallies_read(evicted, route->cache->account);
        *name = route->name;
        if (numbers[0] > 0 || numbers[1] > 0)
            return true;
    }
    numbers[0] = (double)object_accounts_rest(held);
    numbers[1] = (double)evicted_rest(generation);
    return false;
}

void moon_cache_numbers(struct generation *generation, double *numbers)
{
    static const enum object_count COUNTS[] = {
        [MOON_CACHE_FOUND] = OBJECT_COUNT_FOUND,
        [MOON_CACHE_MISSED] = OBJECT_COUNT_MISSED,
        [MOON_CACHE_COLLAPSED] = OBJECT_COUNT_COLLAPSED,
        [MOON_CACHE_STORED] = OBJECT_COUNT_COMPLETED,
        [MOON_CACHE_REFRESHED] = OBJECT_COUNT_REFRESHED,
        [MOON_CACHE_EVICTED] = OBJECT_COUNT_EVICTED,
        [MOON_CACHE_EXPIRED] = OBJECT_COUNT_EXPIRED,
        [MOON_CACHE_PURGED] = OBJECT_COUNT_PURGED,
        [MOON_CACHE_REFUSED] = OBJECT_COUNT_REFUSED,
    };
    const struct object_store *store = store_of(generation);
    struct object_usage usage;

    for (size_t i = 0; i < ARRAY_LENGTH(COUNTS); i++)
        numbers[i] = (double)object_store_count(store, COUNTS[i]);
    object_store_usage(store, &usage);
    numbers[MOON_CACHE_OBJECTS] = (double)usage.objects;
    numbers[MOON_CACHE_FILLING] = (double)usage.filling;
    numbers[MOON_CACHE_BYTES] = (double)usage.bytes;
    numbers[MOON_CACHE_BYTES_FREE] = (double)usage.pages_free * store->page_bytes;
}
