/*
 * uri — fuzzes targets, authorities, the normal form of paths, escapes and queries.
 */
#include "http/host_memory.h"

#include <assert.h>

#include "exact_text.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool lies_in(struct slice part, struct slice whole)
{
    return part.length == 0 ||
           (part.start >= whole.start && part.start + part.length <= whole.start + whole.length);
}

static void check_target(struct slice text)
{
    struct uri uri;

    if (!uri_parse(text, &uri))
        return;
    assert(lies_in(uri.query, text) && lies_in(uri.authority, text) && lies_in(uri.scheme, text));
    assert(uri.form == URI_ABSOLUTE || lies_in(uri.path, text));
    assert(uri.form == URI_AUTHORITY || uri.path.length > 0);
    assert((uri.form == URI_ABSOLUTE) == (uri.scheme.start != NULL));
}

/* What was remembered makes no difference. */
static void check_memory(struct slice text, const struct uri_authority *parts)
{
    static struct host_memory memory;
    struct uri_authority again;
    bool is_plain;

    for (int i = 0; i < 2; i++) {
        assert(host_memory_parse(&memory, text, &again, &is_plain) == (parts != NULL));
        assert(parts == NULL ||
               (again.host.start == parts->host.start && again.host.length == parts->host.length &&
                again.port == parts->port && again.is_v6 == parts->is_v6));
    }
}

static void check_authority(struct slice text)
{
    struct uri_authority parts;
    bool is_valid = uri_parse_authority(text, &parts);

    check_memory(text, is_valid ? &parts : NULL);
    if (!is_valid)
        return;
    assert(parts.host.length > 0 && lies_in(parts.host, text));
    assert(slice_find(parts.host, '[') == parts.host.length);
    assert(parts.is_v6 == (text.start[0] == '['));
}

/* No segment of a normal form is empty (but the last), "." or "..", encoded or not. */
static void check_segments(struct slice normal, struct arena *arena)
{
    struct slice rest = slice_after(normal, 1);
    while (rest.length > 0) {
        size_t end = slice_find(rest, '/');
        struct slice segment, raw = slice_of(rest.start, end);
        assert(end > 0);
        assert(uri_decode(raw, false, arena, &segment));
        assert(!slice_equals(segment, SLICE(".")) && !slice_equals(segment, SLICE("..")));
        rest = slice_after(rest, end < rest.length ? end + 1 : end);
    }
}

static void check_path(struct slice text, struct arena *arena)
{
    struct slice normal, again;

    if (!uri_normalise_path(text, arena, &normal))
        return;
    assert(normal.length > 0 && normal.length <= text.length && normal.start[0] == '/');
    assert(uri_normalise_path(normal, arena, &again));
    assert(slice_equals(normal, again));
    assert((normal.start[normal.length - 1] == '/') || text.start[text.length - 1] != '/');
    check_segments(normal, arena);
}

static void check_escapes(struct slice text, struct arena *arena)
{
    struct slice decoded, encoded = uri_encode(text, "", arena);

    assert(uri_decode(encoded, true, arena, &decoded));
    assert(slice_equals(decoded, text));
    if (uri_decode(text, false, arena, &decoded))
        assert(decoded.length <= text.length);
}

static void check_query(struct slice text, struct arena *arena)
{
    size_t half = text.length / 2;
    struct slice name = slice_of(text.start, half), value = slice_after(text, half);
    struct slice query = arena_join(arena, SLICE("a&b="), uri_encode(name, "", arena));

    query = arena_join(arena, query, SLICE("&"));
    query = arena_join(arena, query, uri_encode(name, "", arena));
    query = arena_join(arena, query, SLICE("="));
    query = arena_join(arena, query, uri_encode(value, "", arena));
    struct slice found = uri_query_value(query, name, arena);
    bool is_other = slice_equals(name, SLICE("a")) || slice_equals(name, SLICE("b"));
    assert(is_other || slice_equals(found, uri_encode(value, "", arena)));
    assert(lies_in(uri_query_value(text, SLICE("a"), arena), text));
}

static void check_all(struct slice text, struct arena *arena)
{
    check_target(text);
    check_authority(text);
    check_path(text, arena);
    check_escapes(text, arena);
    check_query(text, arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    return exact_text_check(data, size, check_all);
}
