/*
 * explain — asks the matcher about a request that nobody has sent, for `moongate explain`.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"
#include "cache/cache_key.h"
#include "http/uri.h"

/* Of moon_explain_match. */
#define NONE_MATCHES       (-1)
#define METHOD_NOT_ALLOWED (-2)

struct explain {
    struct arena arena;
    struct request request;
    struct route_subject subject;
    struct route_match match;
    const struct route_matcher *matcher;
};

static struct explain *explain_of(struct generation *generation)
{
    struct draft *draft = generation->draft;
    assert(draft != NULL);
    if (draft->explain == NULL) {
        draft->explain = arena_zeroed(&generation->arena, sizeof(*draft->explain));
        route_matcher_seal(generation->matcher);
        route_matcher_seal(generation->admin_matcher);
    }
    return draft->explain;
}

void explain_clear(struct explain *explain)
{
    arena_clear(&explain->arena);
}

void moon_explain_begin(struct generation *generation, bool is_admin)
{
    struct explain *explain = explain_of(generation);

    arena_clear(&explain->arena);
    *explain = (struct explain){
        .matcher = is_admin ? generation->admin_matcher : generation->matcher,
        .request = {.scheme = SLICE("http"), .path = SLICE("/"), .minor_version = 1},
    };
    arena_init(&explain->arena);
    explain->subject = (struct route_subject){&explain->request, SLICE(""), &explain->arena};
}

bool moon_explain_text(struct generation *generation, int which, const char *text, size_t length)
{
    struct explain *explain = explain_of(generation);
    struct request *request = &explain->request;
    struct slice copy = arena_copy(&explain->arena, exports_slice(text, length));

    switch (which) {
    case MOON_TEXT_METHOD:
        request->method_name = copy;
        request->method = method_of(copy);
        return true;
    case MOON_TEXT_SCHEME:
        request->scheme = copy;
        return true;
    case MOON_TEXT_HOST:
        request->host = copy;
        return true;
    case MOON_TEXT_QUERY:
        request->query = copy;
        return true;
    case MOON_TEXT_PATH:
        return uri_normalise_path(copy, &explain->arena, &request->path);
    case MOON_TEXT_SERVER_NAME:
        explain->subject.server_name = copy;
        return true;
    default:
        return false;
    }
}

bool moon_explain_header(struct generation *generation, const char *name, size_t name_length,
                         const char *value, size_t value_length)
{
    struct explain *explain = explain_of(generation);
    return headers_add(&explain->request.headers, &explain->arena,
                       arena_copy(&explain->arena, exports_slice(name, name_length)),
                       arena_copy(&explain->arena, exports_slice(value, value_length)));
}

static int outcome_of(const struct explain *explain, enum route_outcome outcome)
{
    if (outcome == ROUTE_FOUND)
        return (int)explain->match.route;
    return outcome == ROUTE_METHOD_NOT_ALLOWED ? METHOD_NOT_ALLOWED : NONE_MATCHES;
}

int moon_explain_match(struct generation *generation)
{
    struct explain *explain = explain_of(generation);
    return outcome_of(explain,
                      route_matcher_match(explain->matcher, &explain->subject, &explain->match));
}

int moon_explain_next(struct generation *generation)
{
    struct explain *explain = explain_of(generation);
    return outcome_of(explain,
                      route_matcher_next(explain->matcher, &explain->subject, &explain->match));
}

int moon_explain_why_not(struct generation *generation, uint32_t route)
{
    struct explain *explain = explain_of(generation);
    return (int)route_matcher_why_not(explain->matcher, route, &explain->subject);
}

bool moon_explain_capture(struct generation *generation, uint32_t at, struct slice *pair)
{
    struct explain *explain = explain_of(generation);
    const struct generation_route *route = &generation->routes[explain->match.route];

    if (explain->match.route >= generation->route_count || at >= route->capture_count ||
        at >= explain->match.capture_count)
        return false;
    pair[0] = route->captures[at];
    pair[1] = explain->match.captures[at].value;
    return true;
}

bool moon_explain_allowed(struct generation *generation, struct slice *methods)
{
    struct explain *explain = explain_of(generation);
    *methods = route_matcher_allowed(explain->matcher, &explain->subject, &explain->arena);
    return methods->length > 0;
}

/* Separators of the key, and what is no text, are blanks. */
static struct slice printable(struct slice text, struct arena *arena)
{
    char *copy = arena_alloc(arena, text.length + 1);

    for (size_t i = 0; i < text.length; i++)
        copy[i] = text.start[i] > ' ' && text.start[i] <= '~' ? text.start[i] : ' ';
    return slice_of(copy, text.length);
}

int moon_explain_cache(struct generation *generation, struct slice *text)
{
    struct explain *explain = explain_of(generation);
    const struct route *route = &generation->routes[explain->match.route].route;
    struct cache_request asked;

    *text = SLICE("");
    if (explain->match.route >= generation->route_count || route->cache == NULL)
        return MOON_CACHE_NONE;
    cache_request_read(&asked, route->cache, &explain->request, &explain->arena);
    if (asked.way == CACHE_WAY_WRITE)
        return MOON_CACHE_WRITE;
    const struct cache_key key = asked.way == CACHE_WAY_LOOKUP
                                     ? cache_key_make(&asked, &explain->arena)
                                     : (struct cache_key){.text = SLICE_NONE};
    if (key.text.start == NULL) {
        *text = slice_from_string(cache_forward_text(cache_request_forward(&asked)));
        return MOON_CACHE_PASS;
    }
    *text = printable(key.text, &explain->arena);
    return MOON_CACHE_LOOKUP;
}

bool moon_explain_forward_path(struct generation *generation, struct slice *path)
{
    struct explain *explain = explain_of(generation);
    const struct route *route = &generation->routes[explain->match.route].route;

    if (explain->match.route >= generation->route_count || route->rewrite == NULL)
        return false;
    *path = path_template_render(route->rewrite, explain->match.captures, &explain->arena);
    return true;
}
