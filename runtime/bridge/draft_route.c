/*
 * draft_route — a route of the configuration: its record, and its pattern in the matcher.
 */
#include <assert.h>

#include "base/mem.h"
#include "bridge/draft.h"
#include "bridge/exports.h"
#include "gateway/triage.h"

/* Those of the admin listener come behind the configuration's. */
#define ADMIN_ROUTES_ABOUT 64

/* What {name} and {name*} of the path are called, in order; in the generation's arena. */
static const struct slice *capture_names(struct generation *generation, struct slice path,
                                         uint32_t *count)
{
    struct slice names[ROUTE_MATCHER_CAPTURES_MAX];

    *count = 0;
    while (*count < ROUTE_MATCHER_CAPTURES_MAX) {
        size_t open = slice_find(path, '{');
        if (open == path.length)
            break;
        struct slice rest = slice_after(path, open + 1);
        struct slice name = slice_of(rest.start, slice_find(rest, '}'));
        path = slice_after(rest, name.length);
        if (name.length > 0 && name.start[name.length - 1] == '*')
            name.length--;
        names[(*count)++] = arena_copy(&generation->arena, name);
    }
    size_t bytes = *count * sizeof(names[0]);
    return *count == 0 ? NULL : memcpy(arena_alloc(&generation->arena, bytes), names, bytes);
}

static struct route_condition *conditions(struct draft *draft, int which, size_t *count)
{
    struct route_condition *list =
        arena_zeroed(&draft->lists, (draft->entry_count + 1) * sizeof(*list));
    *count = 0;
    for (size_t i = 0; i < draft->entry_count; i++) {
        if (draft->entries[i].which == DRAFT_PAIR + which)
            list[(*count)++] =
                (struct route_condition){draft->entries[i].name, draft->entries[i].value};
    }
    return list;
}

static struct call_options call_options(const struct draft *draft)
{
    return (struct call_options){
        .connect_seconds =
            draft_number(draft, MOON_BUILD_CONNECT_SECONDS, CALL_OPTIONS.connect_seconds),
        .response_seconds =
            draft_number(draft, MOON_BUILD_RESPONSE_SECONDS, CALL_OPTIONS.response_seconds),
        .idle_seconds =
            draft_number(draft, MOON_BUILD_BODY_IDLE_SECONDS, CALL_OPTIONS.idle_seconds),
        .total_seconds = draft_number(draft, MOON_BUILD_TOTAL_SECONDS, CALL_OPTIONS.total_seconds),
        .retries = (unsigned)draft_count(draft, MOON_BUILD_RETRIES, CALL_OPTIONS.retries),
    };
}

/* The route's own, besides its upstream's; lives as long as the generation. */
static struct call_breaker *finish_breaker(struct generation *generation, struct slice name)
{
    struct call_breaker_options options;

    if (draft_breaker(generation->draft, &options) == NULL)
        return NULL;
    struct call_breaker *breaker = arena_zeroed(&generation->arena, sizeof(*breaker));
    breaker->options = options;
    breaker->name = arena_format(&generation->arena, "route:%.*s", SLICE_FORMAT(name)).start;
    return breaker;
}

static void conflict_error(struct generation *generation, uint32_t other)
{
    struct draft *draft = generation->draft;
    if (other >= generation->route_count) {
        draft->error = SLICE("too many routes have this host and path; expected at most 1024");
        return;
    }
    const struct route *route = &generation->routes[other].route;
    draft->error = arena_format(
        &draft->scratch,
        "cannot be told apart from route \"%.*s\" at %.*s; expected another host, path, "
        "method, condition or priority",
        SLICE_FORMAT(route->name), SLICE_FORMAT(route->source));
}

static bool add_pattern(struct generation *generation)
{
    struct draft *draft = generation->draft;
    bool is_admin = draft_number(draft, MOON_BUILD_IS_ADMIN, 0) != 0;
    uint32_t conflict = 0;
    struct route_pattern pattern = {
        .route = generation->route_count,
        .priority = (int)draft_number(draft, MOON_BUILD_PRIORITY, 0),
        .path = draft_text(draft, MOON_BUILD_PATH, SLICE("/")),
        .server_name = draft_text(draft, MOON_BUILD_SNI, SLICE("")),
        .has_when = draft_number(draft, MOON_BUILD_HAS_WHEN, 0) != 0,
    };
    pattern.hosts = draft_list(draft, MOON_BUILD_HOST, &pattern.host_count);
    pattern.methods = draft_list(draft, MOON_BUILD_METHOD, &pattern.method_count);
    pattern.headers = conditions(draft, MOON_BUILD_HEADER, &pattern.header_count);
    pattern.queries = conditions(draft, MOON_BUILD_QUERY, &pattern.query_count);
    if (route_matcher_add(is_admin ? generation->admin_matcher : generation->matcher, &pattern,
                          &conflict))
        return true;
    conflict_error(generation, conflict);
    return false;
}

/* Likewise, instead of its upstream's. */
static const struct hedge_rules *finish_hedge(struct generation *generation)
{
    struct hedge_rules rules;

    if (!draft_hedge(generation->draft, &rules))
        return NULL;
    struct hedge_rules *kept = arena_alloc(&generation->arena, sizeof(*kept));
    *kept = rules;
    return kept;
}

static bool are_rules(const struct deadline_rules *one, const struct deadline_rules *other)
{
    return slice_equals(one->field.key.name, other->field.key.name) &&
           one->field.format == other->field.format && one->seconds_max == other->seconds_max &&
           one->seconds_least == other->seconds_least &&
           one->trusts_proxies == other->trusts_proxies &&
           one->is_passed_on == other->is_passed_on && one->is_report_only == other->is_report_only;
}

/* The one built last, or NULL: what a group or a loop says of many is kept once. */
static const struct route *route_before(const struct generation *generation)
{
    return generation->route_count > 0 ? &generation->routes[generation->route_count - 1].route
                                       : NULL;
}

static bool finish_rewrite(struct generation *generation, struct generation_route *route)
{
    const struct route *before = route_before(generation);
    struct draft *draft = generation->draft;
    struct slice text = draft->texts[MOON_BUILD_REWRITE];
    struct slice error = SLICE("");

    if (text.start == NULL)
        return true;
    /* Kept once, too: each request of another route touches it where each route has its own. */
    const struct path_template *rewrite =
        path_template_compile(text, route->captures, route->capture_count, &draft->scratch, &error);
    if (rewrite == NULL) {
        draft->error = arena_format(&draft->scratch, "rewrite: %.*s", SLICE_FORMAT(error));
        return false;
    }
    bool is_kept =
        before != NULL && before->rewrite != NULL && path_template_equals(before->rewrite, rewrite);
    route->route.rewrite =
        is_kept ? before->rewrite : path_template_copy(rewrite, &generation->arena);
    return true;
}

static const struct deadline_rules *finish_deadline(struct generation *generation)
{
    const struct route *before = route_before(generation);
    const struct draft *draft = generation->draft;
    struct slice name = draft_text(draft, MOON_BUILD_DEADLINE_FIELD, SLICE(""));

    if (!draft->has_number[MOON_BUILD_DEADLINE_FORMAT])
        return NULL;
    struct deadline_rules rules = {
        .field = {{name, header_id_of(name)},
                  (enum deadline_format)draft_count(draft, MOON_BUILD_DEADLINE_FORMAT, 0)},
        .seconds_max = draft_number(draft, MOON_BUILD_DEADLINE_MAX, 0),
        .seconds_least = draft_number(draft, MOON_BUILD_DEADLINE_LEAST, 0),
        .trusts_proxies = draft_number(draft, MOON_BUILD_DEADLINE_TRUST, 0) != 0,
        .is_passed_on = draft_number(draft, MOON_BUILD_DEADLINE_PASS_ON, 0) != 0,
        .is_report_only = draft_number(draft, MOON_BUILD_DEADLINE_REPORT_ONLY, 0) != 0,
    };
    if (before != NULL && before->deadline != NULL && are_rules(before->deadline, &rules))
        return before->deadline;
    struct deadline_rules *kept = arena_alloc(&generation->arena, sizeof(*kept));
    *kept = rules;
    kept->field.key.name = arena_copy(&generation->arena, name);
    return kept;
}

static bool are_options(const struct call_options *one, const struct call_options *other)
{
    return one->connect_seconds == other->connect_seconds &&
           one->response_seconds == other->response_seconds &&
           one->idle_seconds == other->idle_seconds && one->total_seconds == other->total_seconds &&
           one->retries == other->retries && one->breaker == other->breaker &&
           one->hedge == other->hedge;
}

static const struct call_options *finish_call(struct generation *generation, struct slice name)
{
    const struct route *before = route_before(generation);
    struct call_options options = call_options(generation->draft);

    options.breaker = finish_breaker(generation, name);
    options.hedge = finish_hedge(generation);
    if (before != NULL && are_options(before->call, &options))
        return before->call;
    struct call_options *kept = arena_alloc(&generation->arena, sizeof(*kept));
    *kept = options;
    return kept;
}

static const struct slice *finish_host(struct generation *generation)
{
    const struct route *before = route_before(generation);
    struct slice host = generation->draft->texts[MOON_BUILD_UPSTREAM_HOST];

    if (host.start == NULL)
        return NULL;
    if (before != NULL && before->upstream_host != NULL &&
        slice_equals(*before->upstream_host, host))
        return before->upstream_host;
    struct slice *kept = arena_alloc(&generation->arena, sizeof(*kept));
    *kept = arena_copy(&generation->arena, host);
    return kept;
}

void draft_expect_routes(struct generation *generation, size_t count)
{
    struct draft *draft = generation->draft;

    assert(generation->routes == NULL);
    draft->route_capacity = count + ADMIN_ROUTES_ABOUT;
    size_t bytes = draft->route_capacity * sizeof(*generation->routes);
    draft->has_route_table = true;
    generation->routes = mem_populate(mem_table(bytes), bytes);
    route_matcher_expect(generation->matcher, count);
}

static struct generation_route *add_route(struct generation *generation)
{
    struct draft *draft = generation->draft;
    if (generation->route_count == draft->route_capacity) {
        draft->route_capacity = draft->route_capacity == 0 ? 64 : draft->route_capacity * 2;
        draft->has_route_table = false;
        generation->routes =
            mem_resize(generation->routes, draft->route_capacity * sizeof(*generation->routes));
    }
    return &generation->routes[generation->route_count++];
}

static struct slice kept_text(struct generation *generation, int which)
{
    struct slice text = generation->draft->texts[which];
    return text.start == NULL ? SLICE_NONE : arena_copy(&generation->arena, text);
}

static struct slice kept_source(struct generation *generation)
{
    const struct route *before = route_before(generation);
    struct slice source = draft_text(generation->draft, MOON_BUILD_SOURCE, SLICE(""));

    if (before != NULL && slice_equals(before->source, source))
        return before->source;
    return kept_text(generation, MOON_BUILD_SOURCE);
}

double draft_finish_route(struct generation *generation)
{
    struct draft *draft = generation->draft;
    assert(!draft->has_number[MOON_BUILD_CLUSTER] ||
           draft->numbers[MOON_BUILD_CLUSTER] < generation->cluster_count);
    struct generation_route route = {
        .cluster = (uint32_t)draft_count(draft, MOON_BUILD_CLUSTER, GENERATION_NO_CLUSTER)};

    if (generation->route_count == GENERATION_ROUTES_MAX) {
        draft->error = SLICE("too many routes");
        return -1;
    }
    route.captures = capture_names(generation, draft_text(draft, MOON_BUILD_PATH, SLICE("/")),
                                   &route.capture_count);
    route.route = (struct route){
        .index = generation->route_count,
        .phases = (uint8_t)draft_count(draft, MOON_BUILD_PHASES, 0),
        .name = kept_text(generation, MOON_BUILD_ROUTE_NAME),
        .source = kept_source(generation),
        .upstream_host = finish_host(generation),
        .body_bytes_max =
            draft_count(draft, MOON_BUILD_BODY_MAX, generation->gateway_options.body_bytes_max),
        .allows_upgrade = draft_number(draft, MOON_BUILD_UPGRADE, 0) != 0,
        .criticality = (uint8_t)draft_count(draft, MOON_BUILD_CRITICALITY, TRIAGE_CRITICAL),
        .is_criticality_asked = draft_number(draft, MOON_BUILD_CRITICALITY_ASKED, 0) != 0,
    };
    route.route.cache = draft_cache_policy(generation, route.route.name);
    route.route.is_cache_asked = draft_number(draft, MOON_BUILD_CACHE_ASKED, 0) != 0;
    route.route.call = finish_call(generation, route.route.name);
    route.route.deadline = finish_deadline(generation);
    if (!finish_rewrite(generation, &route) || !add_pattern(generation))
        return -1;
    if (draft->has_number[MOON_BUILD_CHAIN])
        route.share = accounts_reserve(&generation->accounts,
                                       (uint32_t)draft_count(draft, MOON_BUILD_CHAIN, 0));
    *add_route(generation) = route;
    return route.route.index;
}

void draft_seal_routes(struct generation *generation)
{
    size_t bytes = generation->route_count * sizeof(*generation->routes);

    if (generation->draft->has_route_table)
        return;
    struct generation_route *routes = mem_table(bytes);
    if (bytes > 0)
        memcpy(routes, generation->routes, bytes);
    free(generation->routes);
    generation->routes = routes;
}
