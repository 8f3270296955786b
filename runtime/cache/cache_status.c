/*
 * cache_status — parameters in the order in which RFC 9211 lists them.
 */
#include "cache/cache_status.h"

#include <assert.h>

#include "http/structured_writer.h"

/* All but the name and the key. */
#define PARAMETERS_BYTES_MAX 256

struct output {
    char text[PARAMETERS_BYTES_MAX];
    size_t length;
};

static void put(struct output *out, struct slice text)
{
    assert(text.length <= sizeof(out->text) - out->length);
    memcpy(out->text + out->length, text.start, text.length);
    out->length += text.length;
}

static void put_number(struct output *out, int64_t number)
{
    char digits[SLICE_DIGITS_MAX];

    if (number < 0)
        put(out, SLICE("-"));
    put(out, slice_of_uint64(number < 0 ? 0 - (uint64_t)number : (uint64_t)number, digits));
}

const char *cache_forward_text(enum cache_forward forward)
{
    switch (forward) {
    case CACHE_FORWARD_NONE:
        return "hit";
    case CACHE_FORWARD_BYPASS:
        return "bypass";
    case CACHE_FORWARD_METHOD:
        return "method";
    case CACHE_FORWARD_URI_MISS:
        return "uri-miss";
    case CACHE_FORWARD_VARY_MISS:
        return "vary-miss";
    case CACHE_FORWARD_MISS:
        return "miss";
    case CACHE_FORWARD_REQUEST:
        return "request";
    case CACHE_FORWARD_STALE:
        return "stale";
    case CACHE_FORWARD_PARTIAL:
        return "partial";
    case CACHE_FORWARD_FORBIDDEN:
        return "only-if-cached";
    }
    return "miss";
}

/* RFC 9211, 2.1 and 2.2: a hit, a reason to forward, or neither. */
static struct slice forward_prefix(enum cache_forward forward)
{
    if (forward == CACHE_FORWARD_FORBIDDEN)
        return SLICE(";detail=");
    return forward == CACHE_FORWARD_NONE ? SLICE(";") : SLICE(";fwd=");
}

static void put_parameters(struct output *out, const struct cache_status *status)
{
    put(out, forward_prefix(status->forward));
    put(out, slice_from_string(cache_forward_text(status->forward)));
    if (status->forward == CACHE_FORWARD_FORBIDDEN)
        return;
    if (status->forward != CACHE_FORWARD_NONE && status->forward_status > 0) {
        put(out, SLICE(";fwd-status="));
        put_number(out, status->forward_status);
    }
    if (status->has_ttl) {
        put(out, SLICE(";ttl="));
        put_number(out, status->ttl);
    }
    if (status->is_stored)
        put(out, SLICE(";stored"));
    if (status->is_collapsed)
        put(out, SLICE(";collapsed"));
    if (status->detail != NULL) {
        put(out, SLICE(";detail="));
        put(out, slice_from_string(status->detail));
    }
}

/* A string, or nothing where it cannot be one: keys have separators and 8-bit bytes. */
static struct slice key_parameter(struct slice key, struct arena *arena)
{
    char *printable = arena_alloc(arena, key.length);

    for (size_t i = 0; i < key.length; i++)
        printable[i] = key.start[i] >= ' ' && key.start[i] <= '~' ? key.start[i] : ' ';
    struct slice text =
        structured_writer_value((struct structured_value){.type = STRUCTURED_STRING,
                                                          .text = slice_of(printable, key.length)},
                                arena);
    return arena_join(arena, SLICE(";key="), text);
}

void cache_status_add(const struct cache_status *status, const struct cache_policy *policy,
                      struct response *response, struct arena *arena)
{
    struct output out;

    if (!policy->is_status_shown)
        return;
    out.length = 0;
    put_parameters(&out, status);
    struct slice member = arena_join(arena, policy->name, slice_of(out.text, out.length));
    if (policy->is_key_shown && status->key.length > 0)
        member = arena_join(arena, member, key_parameter(status->key, arena));
    headers_add_known(&response->headers, arena, HEADER_CACHE_STATUS, member);
}
