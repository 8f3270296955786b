/*
 * export_path — paths for Lua: the one normal form, and what most paths of routes look like.
 */
#include "bridge/draft.h"
#include "bridge/exports.h"
#include "http/octet.h"
#include "http/uri.h"

/* As lua/moongate/path_pattern.lua has it. */
#define PATTERN_BYTES_MAX 4096

bool moon_normalise_path(struct generation *generation, const char *path, size_t length,
                         struct slice *normal)
{
    struct arena *arena = &generation->draft->paths;

    arena_reset(arena);
    return uri_normalise_path(exports_slice(path, length), arena, normal);
}

/* The path of a route that is being looked at, and the names in it so far. */
struct pattern {
    struct slice rest;
    struct slice names[ROUTE_MATCHER_CAPTURES_MAX];
    size_t name_count;
};

static bool is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        char c = name.start[i];
        bool is_letter = (c >= 'a' && c <= 'z') || c == '_';
        if (!is_letter && (i == 0 || !octet_is(c, OCTET_DIGIT)))
            return false;
    }
    return name.length > 0;
}

/* A name of its own in braces; with a star at the end of the path only. */
static bool take_placeholder(struct pattern *pattern, struct slice segment)
{
    if (segment.length < 2 || segment.start[segment.length - 1] != '}' ||
        pattern->name_count == ROUTE_MATCHER_CAPTURES_MAX)
        return false;
    struct slice name = slice_of(segment.start + 1, segment.length - 2);
    if (name.length > 0 && pattern->rest.length == 0 && name.start[name.length - 1] == '*')
        name.length--;
    for (size_t i = 0; i < pattern->name_count; i++) {
        if (slice_equals(pattern->names[i], name))
            return false;
    }
    pattern->names[pattern->name_count++] = name;
    return is_name(name);
}

/* Unreserved characters (RFC 3986, 2.3), of which "." and ".." could be something else. */
static bool is_literal(struct slice segment)
{
    if (segment.start[0] == '.')
        return false;
    for (size_t i = 0; i < segment.length; i++) {
        if (!octet_is(segment.start[i], OCTET_UNRESERVED))
            return false;
    }
    return true;
}

/* Takes a slash and what follows it to the next one. */
static bool take_segment(struct pattern *pattern)
{
    if (pattern->rest.start[0] != '/')
        return false;
    struct slice rest = slice_after(pattern->rest, 1);
    struct slice segment = slice_of(rest.start, slice_find(rest, '/'));

    pattern->rest = slice_after(rest, segment.length);
    if (segment.length == 0)
        return pattern->rest.length == 0;
    return segment.start[0] == '{' ? take_placeholder(pattern, segment) : is_literal(segment);
}

bool moon_path_is_plain(const char *path, size_t length)
{
    struct pattern pattern = {.rest = exports_slice(path, length)};
    size_t segments = 0;

    if (length == 0 || length > PATTERN_BYTES_MAX)
        return false;
    while (pattern.rest.length > 0) {
        if (++segments > ROUTE_MATCHER_SEGMENTS_MAX || !take_segment(&pattern))
            return false;
    }
    return true;
}
