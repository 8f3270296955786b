/*
 * route_matcher — fuzzes routes and requests against a matcher that tries every route and sorts.
 *
 * Both draw from a small alphabet, so that conflicts, forks and ties are common: the input chooses
 * routes first, then requests until it ends.
 */
#include "gateway/route_matcher.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

#define ROUTES_MAX   48
#define ENTRIES_MAX  (2 * ROUTES_MAX)
#define SEGMENTS_MAX 5
#define PATH_BYTES   80

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

struct input {
    const unsigned char *data;
    size_t left;
};

static unsigned draw(struct input *input, unsigned below)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->data++ % below;
}

static const char *const HOSTS[] = {"a.t", "b.a.t", "*.t", "*.a.t", "*.b.a.t"};
static const char *const NAMES[] = {"a.t", "b.a.t", "c.b.a.t", "x.t", "t", "", ".t", "a.t."};
static const char *const METHODS[] = {"GET", "HEAD", "POST", "PURGE"};
static const char *const ASKED[] = {"GET", "HEAD", "POST", "PURGE", "PUT", "LINK"};
/* The last two only at the end of a path. */
static const char *const SEGMENTS[] = {"a", "b", "a-longer-one", "{x}", "{y}", "{z*}", ""};

/* In the order in which conditions are compared: bit 0 first. */
static const struct route_condition HEADERS[] = {
    {{"h", 1}, {"1", 1}}, {{"h", 1}, {NULL, 0}}, {{"k", 1}, {"1", 1}}};
static const struct route_condition QUERY = {{"q", 1}, {"1", 1}};
enum { HAS_QUERY = 8, HAS_SERVER_NAME = 16, CONDITION_BITS = 5 };

struct path {
    char text[PATH_BYTES];
    unsigned count;
    unsigned segments[SEGMENTS_MAX]; /* of SEGMENTS */
};

struct route {
    struct path path;
    unsigned methods, conditions; /* bits */
    int priority;
    bool has_when, is_added;
    unsigned host_count, hosts[2]; /* of HOSTS */
};

struct asked {
    struct request request;
    struct path path;
    unsigned method;
    unsigned holds; /* bits of conditions */
    struct arena arena;
    struct route_subject subject;
};

/* One way in which a route matches. */
struct found {
    unsigned route;
    int priority, host_rank;
    const struct route *source;
};

static void draw_path(struct input *input, struct path *path, bool is_pattern)
{
    size_t at = 0;
    *path = (struct path){.count = 1 + draw(input, SEGMENTS_MAX)};
    for (unsigned i = 0; i < path->count; i++) {
        unsigned choice = draw(input, 7);
        if (!is_pattern && choice >= 3)
            choice = i + 1 == path->count && choice == 6 ? 6 : choice % 3;
        if (choice >= 5 && i + 1 < path->count)
            choice -= 2;
        size_t length = strlen(SEGMENTS[choice]);
        path->segments[i] = choice;
        path->text[at++] = '/';
        memcpy(path->text + at, SEGMENTS[choice], length);
        at += length;
    }
}

static struct route draw_route(struct input *input)
{
    struct route route = {.methods = draw(input, 16)};
    unsigned flags = draw(input, 256);
    draw_path(input, &route.path, true);
    route.conditions = (flags & 1) != 0 ? draw(input, 1 << CONDITION_BITS) : 0;
    route.has_when = (flags & 14) == 14;
    route.priority = (flags & 112) == 112 ? (int)draw(input, 3) - 1 : 0;
    route.host_count = draw(input, 3);
    for (unsigned i = 0; i < route.host_count; i++)
        route.hosts[i] = draw(input, ARRAY_LENGTH(HOSTS));
    if (route.host_count == 2 && route.hosts[0] == route.hosts[1])
        route.host_count = 1;
    return route;
}

static bool same_path(const struct path *one, const struct path *other)
{
    if (one->count != other->count)
        return false;
    for (unsigned i = 0; i < one->count; i++) {
        unsigned a = one->segments[i], b = other->segments[i];
        if (a != b && !(a >= 3 && a <= 4 && b >= 3 && b <= 4))
            return false;
    }
    return true;
}

static bool share_host(const struct route *one, const struct route *other)
{
    if (one->host_count == 0 || other->host_count == 0)
        return one->host_count == other->host_count;
    for (unsigned i = 0; i < one->host_count; i++) {
        for (unsigned j = 0; j < other->host_count; j++) {
            if (one->hosts[i] == other->hosts[j])
                return true;
        }
    }
    return false;
}

static bool conflicts(const struct route *one, const struct route *other)
{
    bool methods = (one->methods & other->methods) != 0 || (one->methods | other->methods) == 0;
    return other->is_added && methods && share_host(one, other) &&
           same_path(&one->path, &other->path) && one->conditions == other->conditions &&
           one->priority == other->priority && !one->has_when && !other->has_when;
}

static bool add_route(struct route_matcher *matcher, const struct route *route, unsigned index,
                      uint32_t *conflict)
{
    struct slice hosts[2], methods[4];
    struct route_condition headers[3];
    struct route_pattern pattern = {
        .route = index,
        .priority = route->priority,
        .hosts = hosts,
        .host_count = route->host_count,
        .methods = methods,
        .path = slice_from_string(route->path.text),
        .headers = headers,
        .queries = &QUERY,
        .query_count = (route->conditions & HAS_QUERY) != 0,
        .server_name = (route->conditions & HAS_SERVER_NAME) != 0 ? SLICE("s.t") : SLICE(""),
        .has_when = route->has_when,
    };
    for (unsigned i = 0; i < route->host_count; i++)
        hosts[i] = slice_from_string(HOSTS[route->hosts[i]]);
    for (unsigned i = 0; i < ARRAY_LENGTH(METHODS); i++) {
        if ((route->methods & 1u << i) != 0)
            methods[pattern.method_count++] = slice_from_string(METHODS[i]);
    }
    /* The other way round than they are compared. */
    for (unsigned i = ARRAY_LENGTH(HEADERS); i-- > 0;) {
        if ((route->conditions & 1u << i) != 0)
            headers[pattern.header_count++] = HEADERS[i];
    }
    return route_matcher_add(matcher, &pattern, conflict);
}

static void check_add(struct route_matcher *matcher, struct route *routes, unsigned index)
{
    uint32_t conflict = UINT32_MAX;
    bool expected = true;
    for (unsigned i = 0; i < index; i++)
        expected = expected && !conflicts(&routes[index], &routes[i]);
    bool added = add_route(matcher, &routes[index], index, &conflict);
    assert(added == expected);
    assert(added || (conflict < index && conflicts(&routes[index], &routes[conflict])));
    routes[index].is_added = added;
}

static void draw_request(struct input *input, struct asked *asked)
{
    static const char *const VALUES[] = {NULL, "1", "2"};
    static const char *const QUERIES[] = {NULL, "q=1", "q=2", "p&q=%31&q=2", "", "q"};
    struct request *request = &asked->request;
    *asked = (struct asked){.method = draw(input, ARRAY_LENGTH(ASKED))};
    arena_init(&asked->arena);
    draw_path(input, &asked->path, false);
    request->method_name = slice_from_string(ASKED[asked->method]);
    request->method = method_of(request->method_name);
    request->host = slice_from_string(NAMES[draw(input, ARRAY_LENGTH(NAMES))]);
    request->path = slice_from_string(asked->path.text);

    unsigned h = draw(input, 3), k = draw(input, 3), query = draw(input, ARRAY_LENGTH(QUERIES));
    if (h > 0)
        headers_add(&request->headers, &asked->arena, SLICE("H"), slice_from_string(VALUES[h]));
    if (k > 0)
        headers_add(&request->headers, &asked->arena, SLICE("K"), slice_from_string(VALUES[k]));
    if (QUERIES[query] != NULL)
        request->query = slice_from_string(QUERIES[query]);
    asked->subject = (struct route_subject){.request = request, .arena = &asked->arena};
    if (draw(input, 2) != 0)
        asked->subject.server_name = SLICE("s.t");
    asked->holds = (h == 1) | (h > 0) << 1 | (k == 1) << 2 |
                   (query == 1 || query == 3 ? HAS_QUERY : 0) |
                   (asked->subject.server_name.length > 0 ? HAS_SERVER_NAME : 0);
}

/* 0: no; 1: any host; more for longer wildcards, most for the name itself. */
static int rank_host(const struct route *route, unsigned which, struct slice name)
{
    if (route->host_count == 0)
        return 1;
    struct slice host = slice_from_string(HOSTS[route->hosts[which]]);
    if (name.length > 1 && name.start[name.length - 1] == '.')
        name.length--;
    if (slice_equals(host, name))
        return 1000;
    struct slice below = slice_after(host, 1);
    bool is_below = host.start[0] == '*' && name.length > below.length &&
                    slice_equals(slice_after(name, name.length - below.length), below);
    return is_below ? (int)host.length : 0;
}

/* Fills in what {x} and {z*} stand for. */
static bool match_path(const struct path *pattern, const struct path *path, struct slice *captures,
                       unsigned *count)
{
    const char *at = path->text;
    *count = 0;
    for (unsigned i = 0; i < pattern->count; i++) {
        if (*at != '/')
            return false;
        size_t length = strcspn(++at, "/");
        unsigned choice = pattern->segments[i];
        if (choice == 5) {
            captures[(*count)++] = slice_from_string(at);
            return true;
        }
        if (choice == 3 || choice == 4) {
            if (length == 0)
                return false;
            captures[(*count)++] = slice_of(at, length);
        } else if (!slice_equals(slice_of(at, length), slice_from_string(SEGMENTS[choice]))) {
            return false;
        }
        at += length;
    }
    return *at == '\0';
}

static bool takes_method(const struct route *route, unsigned method)
{
    bool is_head_by_get = method == 1 && (route->methods & 1) != 0;
    return route->methods == 0 || is_head_by_get || (method < 4 && route->methods >> method & 1);
}

static int rank_segment(unsigned choice)
{
    return choice == 5 ? 0 : choice == 3 || choice == 4 ? 1 : 2;
}

static int compare_conditions(unsigned one, unsigned other)
{
    int counts = __builtin_popcount(other) - __builtin_popcount(one);
    unsigned difference = one ^ other;
    if (counts != 0 || difference == 0)
        return counts;
    return (one & difference & -difference) != 0 ? -1 : 1;
}

static int compare_routes(const struct route *one, const struct route *other)
{
    int counts = __builtin_popcount(other->conditions) - __builtin_popcount(one->conditions);
    if (counts != 0)
        return counts;
    if ((one->methods == 0) != (other->methods == 0))
        return one->methods == 0 ? 1 : -1;
    if (one->has_when != other->has_when)
        return one->has_when ? -1 : 1;
    if (((one->methods ^ other->methods) & 2) != 0)
        return (one->methods & 2) != 0 ? -1 : 1;
    return compare_conditions(one->conditions, other->conditions);
}

static int compare_found(const void *first, const void *second)
{
    const struct found *one = first, *other = second;
    if (one->priority != other->priority)
        return other->priority - one->priority;
    if (one->host_rank != other->host_rank)
        return other->host_rank - one->host_rank;
    const struct path *path = &one->source->path, *theirs = &other->source->path;
    for (unsigned i = 0; i < path->count && i < theirs->count; i++) {
        int order = rank_segment(theirs->segments[i]) - rank_segment(path->segments[i]);
        if (order != 0)
            return order;
    }
    int order = compare_routes(one->source, other->source);
    return order != 0 ? order : (int)one->route - (int)other->route;
}

/* All that matches, best first; the bits of the methods that would have been taken in `*allowed`.
 */
static size_t find_all(const struct route *routes, unsigned count, struct asked *asked,
                       struct found *found, unsigned *allowed)
{
    struct slice captures[SEGMENTS_MAX];
    unsigned captured;
    size_t total = 0;

    *allowed = 0;
    for (unsigned i = 0; i < count; i++) {
        const struct route *route = &routes[i];
        unsigned ways = route->host_count > 0 ? route->host_count : 1;
        for (unsigned host = 0; host < ways; host++) {
            int rank = rank_host(route, host, asked->request.host);
            if (!route->is_added || rank == 0 || (route->conditions & ~asked->holds) != 0 ||
                !match_path(&route->path, &asked->path, captures, &captured))
                continue;
            if (takes_method(route, asked->method))
                found[total++] = (struct found){i, route->priority, rank, route};
            else
                *allowed |= route->methods;
        }
    }
    qsort(found, total, sizeof(*found), compare_found);
    return total;
}

static void check_allowed(const struct route_matcher *matcher, struct asked *asked,
                          unsigned allowed)
{
    struct slice list = route_matcher_allowed(matcher, &asked->subject, &asked->arena);
    if ((allowed & 1) != 0)
        allowed |= 2;
    for (unsigned i = 0; i < ARRAY_LENGTH(METHODS); i++)
        assert(slice_list_has(list, slice_from_string(METHODS[i])) == ((allowed >> i & 1) != 0));
}

static void check_match(const struct route_match *match, const struct found *found,
                        struct asked *asked)
{
    struct slice captures[SEGMENTS_MAX];
    unsigned count;

    assert(match->route == found->route && match->has_when == found->source->has_when);
    assert(match_path(&found->source->path, &asked->path, captures, &count));
    assert(match->capture_count == count);
    for (unsigned i = 0; i < count; i++)
        assert(slice_equals(match->captures[i].value, captures[i]));
}

static void check_request(const struct route_matcher *matcher, const struct route *routes,
                          unsigned count, struct asked *asked)
{
    struct found found[ENTRIES_MAX];
    struct route_match match;
    unsigned allowed;
    size_t total = find_all(routes, count, asked, found, &allowed);

    enum route_outcome outcome = route_matcher_match(matcher, &asked->subject, &match);
    for (size_t i = 0; i < total; i++) {
        assert(outcome == ROUTE_FOUND);
        check_match(&match, &found[i], asked);
        outcome = route_matcher_next(matcher, &asked->subject, &match);
    }
    assert(outcome == (allowed != 0 ? ROUTE_METHOD_NOT_ALLOWED : ROUTE_NOT_FOUND));
    check_allowed(matcher, asked, allowed);
    for (unsigned i = 0; i < count; i++) {
        bool is_found = false;
        for (size_t j = 0; j < total; j++)
            is_found = is_found || found[j].route == i;
        enum route_miss miss = route_matcher_why_not(matcher, i, &asked->subject);
        assert(!routes[i].is_added || (miss == ROUTE_MISS_NONE) == is_found);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct input input = {data, size};
    struct route routes[ROUTES_MAX];
    struct route_matcher *matcher = route_matcher_create();
    unsigned count = 1 + draw(&input, ROUTES_MAX);

    for (unsigned i = 0; i < count; i++) {
        routes[i] = draw_route(&input);
        check_add(matcher, routes, i);
    }
    route_matcher_seal(matcher);
    do {
        struct asked asked;
        draw_request(&input, &asked);
        check_request(matcher, routes, count, &asked);
        arena_clear(&asked.arena);
    } while (input.left > 0);
    route_matcher_destroy(&matcher);
    return 0;
}
