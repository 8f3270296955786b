/*
 * export_uri — URIs and their parts for Lua, by the very functions that requests go through; and
 * the clocks.
 */
#include <string.h>

#include "base/clock.h"
#include "bridge/exports.h"
#include "http/uri.h"

static double write_out(struct slice text, char *out)
{
    if (text.length > 0)
        memcpy(out, text.start, text.length);
    return (double)text.length;
}

double moon_uri_encode(const char *text, size_t length, const char *keep, char *out)
{
    struct arena arena;
    arena_init(&arena);
    double written = write_out(uri_encode(exports_slice(text, length), keep, &arena), out);
    arena_clear(&arena);
    return written;
}

double moon_uri_decode(const char *text, size_t length, bool plus_is_space, char *out)
{
    struct arena arena;
    struct slice decoded;
    arena_init(&arena);
    bool is_good = uri_decode(exports_slice(text, length), plus_is_space, &arena, &decoded);
    double written = is_good ? write_out(decoded, out) : -1;
    arena_clear(&arena);
    return written;
}

double moon_uri_normalise(const char *path, size_t length, char *out)
{
    struct arena arena;
    struct slice normal;
    arena_init(&arena);
    bool is_good = length > 0 && path[0] == '/' &&
                   uri_normalise_path(exports_slice(path, length), &arena, &normal);
    double written = is_good ? write_out(normal, out) : -1;
    arena_clear(&arena);
    return written;
}

double moon_uri_parse(const char *text, size_t length, struct slice *parts)
{
    struct uri uri;
    struct uri_authority authority = {0};

    if (!uri_parse(exports_slice(text, length), &uri))
        return -1;
    if (uri.form != URI_ORIGIN && uri.form != URI_ABSOLUTE)
        return -1;
    if (uri.form == URI_ABSOLUTE && !uri_parse_authority(uri.authority, &authority))
        return -1;
    parts[MOON_URI_SCHEME] = uri.scheme;
    parts[MOON_URI_AUTHORITY] = uri.authority;
    parts[MOON_URI_HOST] = authority.host;
    parts[MOON_URI_PATH] = uri.path;
    parts[MOON_URI_QUERY] = uri.query;
    return authority.port;
}

double moon_monotonic(void)
{
    return clock_monotonic();
}
