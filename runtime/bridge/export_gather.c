/*
 * export_gather — how the parts of a gather went, and the document that they make, for Lua.
 */
#include "bridge/decision.h"
#include "bridge/gather.h"

static struct gather *gather_of(struct exchange *exchange)
{
    struct gather *gather = decision_of(exchange)->gather;
    assert(gather != NULL);
    return gather;
}

static struct gather_place *place_of(struct exchange *exchange, uint32_t place)
{
    struct gather *gather = gather_of(exchange);
    assert(place < gather->plan->part_count);
    return &gather->places[place];
}

/* What has been answered; NULL before. */
static const struct fetch *answered(struct exchange *exchange, uint32_t place)
{
    const struct gather_ask *ask = place_of(exchange, place)->ask;
    bool is_there = ask != NULL && ask->has_ended && ask->fault == FAULT_NONE;
    return is_there && ask->fetch.response != NULL ? &ask->fetch : NULL;
}

int moon_gather_outcome(struct exchange *exchange, uint32_t place)
{
    const struct gather_ask *ask = place_of(exchange, place)->ask;
    return ask != NULL ? (int)ask->outcome : MOON_GATHER_NOT_ASKED;
}

uint32_t moon_gather_failures(struct exchange *exchange)
{
    return gather_of(exchange)->failures;
}

int moon_gather_status(struct exchange *exchange, uint32_t place)
{
    const struct fetch *fetch = answered(exchange, place);
    return fetch != NULL ? fetch->response->status : 0;
}

bool moon_gather_has_body(struct exchange *exchange, uint32_t place)
{
    const struct gather_ask *ask = place_of(exchange, place)->ask;
    return ask != NULL && buffer_length(&ask->fetch.received) > 0;
}

bool moon_gather_header(struct exchange *exchange, uint32_t place, const char *name, size_t length,
                        struct slice *value)
{
    const struct fetch *fetch = answered(exchange, place);

    if (fetch == NULL)
        return false;
    *value = headers_joined(fetch_fields(fetch), &exchange->arena, exports_slice(name, length));
    return value->start != NULL;
}

bool moon_gather_fault(struct exchange *exchange, uint32_t place, struct slice *text)
{
    const struct gather_ask *ask = place_of(exchange, place)->ask;

    if (ask == NULL || ask->fault == FAULT_NONE)
        return false;
    *text = slice_from_string(fault_type(ask->fault));
    return true;
}

bool moon_gather_value(struct exchange *exchange, uint32_t place, struct slice *value)
{
    *value = place_of(exchange, place)->value;
    return value->start != NULL;
}

void moon_gather_set_value(struct exchange *exchange, uint32_t place, const char *text,
                           size_t length)
{
    place_of(exchange, place)->value =
        text != NULL ? arena_copy(&exchange->arena, exports_slice(text, length)) : SLICE_NONE;
}

void moon_gather_stop(struct exchange *exchange)
{
    gather_stop(gather_of(exchange));
}

static char *put(char *at, struct slice text)
{
    return text.length > 0 ? (char *)memcpy(at, text.start, text.length) + text.length : at;
}

void moon_answer_gathered(struct exchange *exchange, const char *more, size_t length)
{
    const struct gather *gather = gather_of(exchange);
    uint32_t count = gather->plan->part_count;
    size_t total = length + 3; /* braces and a comma */

    for (uint32_t i = 0; i < count; i++)
        total += gather->plan->parts[i].member.length + gather->places[i].value.length + 1;
    char *text = arena_alloc(&exchange->arena, total), *at = text;
    *at++ = '{';
    for (uint32_t i = 0; i < count; i++) {
        if (gather->places[i].value.start == NULL)
            continue;
        at = put(put(at, gather->plan->parts[i].member), gather->places[i].value);
        *at++ = ',';
    }
    at = put(at, exports_slice(more, length));
    if (length == 0 && at > text + 1)
        at--; /* the last comma */
    *at++ = '}';
    decision_of(exchange)->answer.body = slice_of(text, (size_t)(at - text));
}
