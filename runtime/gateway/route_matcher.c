/*
 * route_matcher — routes put into a path_trie, and the best one picked from what a walk finds
 * there.
 */
#include "gateway/route_matcher.h"

#include <assert.h>

#include "base/mem.h"
#include "gateway/path_trie_builder.h"
#include "gateway/route_conditions.h"
#include "gateway/route_methods.h"
#include "gateway/route_walk.h"

_Static_assert(ROUTE_MATCHER_SEGMENTS_MAX == PATH_TRIE_SEGMENTS_MAX, "one limit");
_Static_assert(ROUTE_MATCHER_CANDIDATES_MAX == PATH_TRIE_ENTRIES_MAX, "one limit");

struct route_matcher {
    struct path_trie trie;
    struct route_conditions *conditions;
    struct path_trie_builder *builder; /* NULL once sealed */
    struct route_methods methods;
    bool has_priorities; /* then the first match need not be the best one */
};

struct route_matcher *route_matcher_create(void)
{
    struct route_matcher *matcher = mem_zeroed(sizeof(*matcher));
    matcher->builder = path_trie_builder_create();
    matcher->conditions = route_conditions_create();
    return matcher;
}

void route_matcher_expect(struct route_matcher *matcher, size_t routes)
{
    assert(matcher->builder != NULL);
    path_trie_builder_expect(matcher->builder, routes);
}

void route_matcher_destroy(struct route_matcher **matcher)
{
    if (*matcher == NULL)
        return;
    route_methods_clear(&(*matcher)->methods);
    path_trie_clear(&(*matcher)->trie);
    path_trie_builder_destroy(&(*matcher)->builder);
    route_conditions_destroy(&(*matcher)->conditions);
    free(*matcher);
    *matcher = NULL;
}

static struct route_condition_run run_of(const struct path_trie_entry *entry)
{
    return (struct route_condition_run){entry->conditions, entry->condition_count};
}

/* Two predicates tell two routes apart, whatever they look at; so do different conditions. */
static bool is_conflict(const struct route_matcher *matcher, const struct path_trie_entry *one,
                        const struct path_trie_entry *other)
{
    bool methods_overlap =
        (one->methods & other->methods) != 0 || (one->methods == 0 && other->methods == 0);
    return methods_overlap && one->route != other->route && one->priority == other->priority &&
           !one->has_when && !other->has_when &&
           route_conditions_compare(matcher->conditions, run_of(one), run_of(other)) == 0;
}

static bool find_conflict(const struct route_matcher *matcher, uint32_t node,
                          const struct path_trie_entry *entry, uint32_t *conflict)
{
    const struct path_trie_entry *other;
    uint32_t at = 0;

    if (path_trie_builder_count(matcher->builder, node) == PATH_TRIE_ENTRIES_MAX) {
        *conflict = ROUTE_MATCHER_FULL;
        return true;
    }
    while ((other = path_trie_builder_next(matcher->builder, node, &at)) != NULL) {
        if (is_conflict(matcher, entry, other)) {
            *conflict = other->route;
            return true;
        }
    }
    return false;
}

static struct path_trie_entry entry_for(struct route_matcher *matcher,
                                        const struct route_pattern *pattern)
{
    struct route_condition_run run = route_conditions_add(matcher->conditions, pattern);
    struct path_trie_entry entry = {
        .route = pattern->route,
        .priority = pattern->priority,
        .conditions = run.first,
        .condition_count = run.count,
        .has_when = pattern->has_when,
    };
    for (size_t i = 0; i < pattern->method_count; i++)
        entry.methods |= route_methods_add(&matcher->methods, pattern->methods[i]);
    return entry;
}

/* Without hosts, the one that stands for any. */
static const struct slice *hosts_of(const struct route_pattern *pattern, size_t *count)
{
    static const struct slice any = {"", 0};
    *count = pattern->host_count > 0 ? pattern->host_count : 1;
    return pattern->host_count > 0 ? pattern->hosts : &any;
}

static size_t count_captures(struct slice path)
{
    size_t count = 0;
    for (size_t i = 0; i < path.length; i++)
        count += path.start[i] == '{';
    return count;
}

bool route_matcher_add(struct route_matcher *matcher, const struct route_pattern *pattern,
                       uint32_t *conflict)
{
    size_t host_count;
    const struct slice *hosts = hosts_of(pattern, &host_count);
    struct path_trie_entry entry = entry_for(matcher, pattern);

    assert(matcher->builder != NULL);
    assert(count_captures(pattern->path) <= ROUTE_MATCHER_CAPTURES_MAX);
    for (size_t i = 0; i < host_count; i++) {
        uint32_t node = path_trie_builder_find(matcher->builder, hosts[i], pattern->path);
        if (node != PATH_TRIE_NONE && find_conflict(matcher, node, &entry, conflict)) {
            route_conditions_undo(matcher->conditions, run_of(&entry));
            return false;
        }
    }
    for (size_t i = 0; i < host_count; i++) {
        uint32_t node = path_trie_builder_reach(matcher->builder, hosts[i], pattern->path);
        path_trie_builder_add(matcher->builder, node, &entry);
    }
    matcher->has_priorities = matcher->has_priorities || pattern->priority != 0;
    return true;
}

/* Negative when `one` is the larger: it goes first. */
static int larger_first(int64_t one, int64_t other)
{
    return one > other ? -1 : one < other;
}

static bool names_head(const struct path_trie_entry *entry)
{
    return (entry->methods & ROUTE_METHODS_BIT(METHOD_HEAD)) != 0;
}

/*
 * The order of routes with the same host and path; it does not depend on the order written, but for
 * two predicates.
 */
static int compare(const struct path_trie_entry *one, const struct path_trie_entry *other,
                   const void *data)
{
    const struct route_matcher *matcher = data;
    const int orders[] = {
        larger_first(one->priority, other->priority),
        larger_first(one->condition_count, other->condition_count),
        larger_first(one->methods != 0, other->methods != 0),
        larger_first(one->has_when, other->has_when),
        larger_first(names_head(one), names_head(other)),
        route_conditions_compare(matcher->conditions, run_of(one), run_of(other)),
        larger_first(other->route, one->route),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(orders); i++) {
        if (orders[i] != 0)
            return orders[i];
    }
    return 0;
}

void route_matcher_seal(struct route_matcher *matcher)
{
    assert(matcher->builder != NULL);
    path_trie_builder_seal(matcher->builder, &matcher->trie, compare, matcher);
    path_trie_builder_destroy(&matcher->builder);
    route_conditions_seal(matcher->conditions);
}

static bool conditions_hold(const struct route_matcher *matcher,
                            const struct path_trie_entry *entry,
                            const struct route_subject *subject)
{
    return entry->condition_count == 0 ||
           route_conditions_check(matcher->conditions, run_of(entry), subject) == ROUTE_MISS_NONE;
}

static void fill(struct route_match *match, const struct route_walk *walk,
                 const struct path_trie_entry *entry, unsigned place)
{
    match->route = entry->route;
    match->has_when = entry->has_when;
    match->priority = entry->priority;
    match->given = place;
    match->capture_count = walk->capture_count;
    for (unsigned i = 0; i < walk->capture_count; i++)
        match->captures[i] = walk->captures[i];
}

/* Candidates are ordered by priority, then by their place in the walk. */
static bool comes_after(const struct path_trie_entry *entry, unsigned place, int32_t priority,
                        unsigned given)
{
    return entry->priority < priority || (entry->priority == priority && place > given);
}

/* The best candidate after the one of that priority and place. */
static enum route_outcome search(const struct route_matcher *matcher,
                                 const struct route_subject *subject, struct route_match *match,
                                 int32_t priority)
{
    const struct request *request = subject->request;
    uint64_t bit = route_methods_bit(&matcher->methods, request);
    unsigned given = match->given, place = 0;
    enum route_outcome outcome = ROUTE_NOT_FOUND;
    const struct path_trie_entry *entry;
    struct route_walk walk;

    assert(matcher->builder == NULL);
    route_walk_start(&walk, &matcher->trie, request->host, request->path);
    while ((entry = route_walk_next(&walk)) != NULL) {
        bool is_accepted = route_methods_accept(entry->methods, bit);
        place++;
        if (outcome == ROUTE_FOUND && (!is_accepted || entry->priority <= match->priority))
            continue;
        if (is_accepted && !comes_after(entry, place, priority, given))
            continue;
        if (!conditions_hold(matcher, entry, subject))
            continue;
        if (!is_accepted) {
            outcome = ROUTE_METHOD_NOT_ALLOWED;
            continue;
        }
        fill(match, &walk, entry, place);
        outcome = ROUTE_FOUND;
        if (!matcher->has_priorities)
            break;
    }
    return outcome;
}

enum route_outcome route_matcher_match(const struct route_matcher *matcher,
                                       const struct route_subject *subject,
                                       struct route_match *match)
{
    match->given = 0;
    return search(matcher, subject, match, INT32_MAX);
}

enum route_outcome route_matcher_next(const struct route_matcher *matcher,
                                      const struct route_subject *subject,
                                      struct route_match *match)
{
    assert(match->given > 0);
    return search(matcher, subject, match, match->priority);
}

struct slice route_matcher_allowed(const struct route_matcher *matcher,
                                   const struct route_subject *subject, struct arena *arena)
{
    const struct request *request = subject->request;
    uint64_t bit = route_methods_bit(&matcher->methods, request);
    uint64_t methods = 0;
    const struct path_trie_entry *entry;
    struct route_walk walk;

    route_walk_start(&walk, &matcher->trie, request->host, request->path);
    while ((entry = route_walk_next(&walk)) != NULL) {
        /* One that takes the method was turned down by its predicate. */
        if (!route_methods_accept(entry->methods, bit) && conditions_hold(matcher, entry, subject))
            methods |= entry->methods;
    }
    return route_methods_list(&matcher->methods, methods, arena);
}

static enum route_miss entry_miss(const struct route_matcher *matcher,
                                  const struct path_trie_entry *entry,
                                  const struct route_subject *subject)
{
    uint64_t bit = route_methods_bit(&matcher->methods, subject->request);
    if (!route_methods_accept(entry->methods, bit))
        return ROUTE_MISS_METHOD;
    return route_conditions_check(matcher->conditions, run_of(entry), subject);
}

static size_t first_end(const struct path_trie *trie, uint32_t route)
{
    size_t from = 0, to = trie->end_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (trie->ends[middle].route < route)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

/* Whether one of the hosts that the route is for covers the request's. */
static bool has_host(const struct path_trie *trie, uint32_t route, struct slice host)
{
    for (size_t i = first_end(trie, route); i < trie->end_count; i++) {
        if (trie->ends[i].route != route)
            break;
        if (route_walk_covers(trie, trie->ends[i].node, host))
            return true;
    }
    return false;
}

enum route_miss route_matcher_why_not(const struct route_matcher *matcher, uint32_t route,
                                      const struct route_subject *subject)
{
    const struct request *request = subject->request;
    const struct path_trie_entry *entry;
    struct route_walk walk;

    route_walk_start(&walk, &matcher->trie, request->host, request->path);
    while ((entry = route_walk_next(&walk)) != NULL) {
        /* All of a route's hosts lead to the same method and conditions: the first entry speaks for
         * them. */
        if (entry->route == route)
            return entry_miss(matcher, entry, subject);
    }
    return has_host(&matcher->trie, route, request->host) ? ROUTE_MISS_PATH : ROUTE_MISS_HOST;
}

size_t route_matcher_bytes(const struct route_matcher *matcher)
{
    return sizeof(*matcher) + matcher->trie.bytes + route_methods_bytes(&matcher->methods) +
           route_conditions_bytes(matcher->conditions);
}
