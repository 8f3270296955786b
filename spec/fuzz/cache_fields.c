/*
 * cache_fields — fuzzes what the cache reads of single fields: directives, dates, tags, ranges,
 * preferences, references.
 */
#include <assert.h>

#include "cache/accept_list.h"
#include "cache/cache_control.h"
#include "cache/cache_key.h"
#include "cache/cache_tags.h"
#include "cache/variant.h"
#include "exact_text.h"
#include "http/byte_ranges.h"
#include "http/entity_tag.h"
#include "http/http_date.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static bool is_within(int64_t seconds)
{
    return seconds >= 0 && seconds <= CACHE_SECONDS_MAX;
}

static void check_control(struct slice text, struct arena *arena)
{
    struct cache_control control, targeted;
    struct headers headers = {0};
    struct header_key key = {SLICE("cdn-cache-control"), HEADER_OTHER};

    headers_add_known(&headers, arena, HEADER_CACHE_CONTROL, text);
    headers_add(&headers, arena, key.name, text);
    cache_control_read(&control, &headers, arena);
    cache_control_read_targeted(&targeted, &headers, &key, 1, arena);
    assert(is_within(control.max_age) && is_within(targeted.max_age));
    assert(is_within(control.s_maxage) && is_within(targeted.s_maxage));
    assert(is_within(control.max_stale) && is_within(targeted.stale_if_error));
}

static void check_date(struct slice text, struct arena *arena)
{
    int64_t seconds, again;

    if (!http_date_parse(text, 1790000000, &seconds))
        return;
    struct slice written = http_date_text(seconds, arena);
    assert(http_date_parse(written, 1790000000, &again) && seconds == again);
}

static void check_tags(struct slice text, struct arena *arena)
{
    struct headers headers = {0};
    struct slice rest = text, tag;

    headers_add_known(&headers, arena, HEADER_IF_NONE_MATCH, text);
    if (entity_tag_is_valid(text))
        assert(entity_tag_is_in(&headers, HEADER_IF_NONE_MATCH, text));
    while (cache_tags_next(&rest, &tag))
        assert(tag.length > 0 && tag.length <= CACHE_TAG_BYTES_MAX);
}

static void check_ranges(struct slice text)
{
    struct byte_ranges ranges;
    const uint64_t bytes = 1000;

    if (byte_ranges_parse(text, bytes, &ranges) != BYTE_RANGES_SATISFIABLE)
        return;
    assert(ranges.count > 0 && ranges.count <= BYTE_RANGES_MAX);
    for (unsigned i = 0; i < ranges.count; i++) {
        assert(ranges.items[i].first <= ranges.items[i].last && ranges.items[i].last < bytes);
        for (unsigned j = 0; j < i; j++)
            assert(ranges.items[i].last + 1 < ranges.items[j].first ||
                   ranges.items[j].last + 1 < ranges.items[i].first);
    }
}

/* A normal form of a normal form is the same. */
static void check_preferences(struct slice text, struct arena *arena)
{
    struct accept_list list, again;

    if (!accept_list_read(text, arena, &list))
        return;
    struct slice written = accept_list_text(&list, arena);
    assert(accept_list_read(written, arena, &again));
    assert(slice_equals(accept_list_text(&again, arena), written));
}

static void check_variant(struct slice text, struct arena *arena)
{
    struct headers headers = {0};
    struct slice names;

    headers_add_known(&headers, arena, HEADER_VARY, text);
    headers_add_known(&headers, arena, HEADER_ACCEPT_LANGUAGE, text);
    if (variant_names(&headers, 0, arena, &names) != VARIANT_BY_FIELDS)
        return;
    assert(names.length > 0);
    assert(variant_key(names, &headers, arena).length <= VARIANT_BYTES_MAX);
}

static void check_reference(struct slice text, struct arena *arena)
{
    struct request request = {.method = METHOD_POST,
                              .scheme = SLICE("http"),
                              .host = SLICE("example.com"),
                              .path = SLICE("/a/b"),
                              .query = SLICE_NONE,
                              .upgrade = SLICE_NONE};
    struct cache_request asked;

    cache_request_read(&asked, &CACHE_POLICY, &request, arena);
    struct slice uri = cache_key_of_reference(&asked, text, arena);
    if (uri.start == NULL)
        return;
    assert(uri.length <= CACHE_KEY_BYTES_MAX);
    assert(slice_equals(cache_key_of_uri(uri, arena), uri));
    assert(cache_key_origin(uri).length < uri.length);
}

static void check_all(struct slice text, struct arena *arena)
{
    check_control(text, arena);
    check_date(text, arena);
    check_tags(text, arena);
    check_ranges(text);
    check_preferences(text, arena);
    check_variant(text, arena);
    check_reference(text, arena);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    return exact_text_check(data, size, check_all);
}
