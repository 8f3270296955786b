/*
 * gather_plan — making plans.
 */
#include "bridge/gather_plan.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "bridge/fetch.h"
#include "bridge/fetch_target.h"
#include "bridge/generation_private.h"

#define FORWARDS_FIRST 8

static struct arena *arena_of(const struct gather_plan *plan)
{
    return &plan->generation->arena;
}

static struct gather_part *part_of(struct gather_plan *plan, uint32_t place)
{
    assert(place < plan->part_count);
    return &plan->parts[place];
}

struct gather_plan *moon_gather_plan(struct generation *generation, uint32_t count)
{
    struct arena *arena = &generation->arena;
    struct gather_plan *plan =
        arena_zeroed(arena, sizeof(*plan) + count * sizeof(struct gather_part));

    plan->generation = generation;
    plan->part_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct request *request = &plan->parts[i].request;
        *request = FETCH_REQUEST;
        request->method = METHOD_GET;
        request->method_name = method_name_of(METHOD_GET);
        headers_add_known(&request->headers, arena, HEADER_ACCEPT, SLICE("application/json"));
    }
    return plan;
}

void moon_gather_plan_whole(struct gather_plan *plan)
{
    plan->is_whole = true;
}

/* Fields that frame messages are not among those of a request that policies see, or are not theirs.
 */
void moon_gather_plan_forward(struct gather_plan *plan, const char *name, size_t length)
{
    struct slice text = arena_copy(arena_of(plan), exports_slice(name, length));
    enum header_id id = header_id_of(text);

    if ((header_flags_of(id) & (HEADER_FRAMING | HEADER_HOP_BY_HOP)) != 0 && id != HEADER_HOST)
        return;
    if (plan->forward_count == plan->forward_capacity) {
        uint32_t capacity = plan->forward_capacity == 0 ? FORWARDS_FIRST : 2 * plan->forward_count;
        struct header_key *keys = arena_alloc(arena_of(plan), capacity * sizeof(*keys));
        if (plan->forward_count > 0)
            memcpy(keys, plan->forwards, plan->forward_count * sizeof(*keys));
        plan->forwards = keys;
        plan->forward_capacity = capacity;
    }
    plan->forwards[plan->forward_count++] = (struct header_key){text, id};
}

static bool set_authority(struct gather_part *part, struct arena *arena, struct slice text)
{
    part->request.authority = text;
    headers_set_known(&part->request.headers, arena, HEADER_HOST, text);
    return fetch_is_authority(text);
}

bool moon_gather_plan_text(struct gather_plan *plan, uint32_t place, int which, const char *text,
                           size_t length)
{
    struct gather_part *part = part_of(plan, place);
    struct slice copy = arena_copy(arena_of(plan), exports_slice(text, length));

    switch ((enum moon_gather_text)which) {
    case MOON_GATHER_METHOD:
        part->request.method = method_of(copy);
        part->request.method_name = copy;
        return fetch_is_method(copy);
    case MOON_GATHER_AUTHORITY:
        return set_authority(part, arena_of(plan), copy);
    case MOON_GATHER_PATH:
        fetch_set_path(&part->request, copy);
        return fetch_is_path(copy);
    case MOON_GATHER_BODY:
        part->body = copy;
        return true;
    case MOON_GATHER_MEMBER:
        part->member = copy;
        return true;
    }
    return false;
}

bool gather_part_set_field(struct request *request, struct arena *arena, struct slice name,
                           struct slice value)
{
    if (header_id_of(name) == HEADER_HOST) {
        request->authority = value;
        headers_set_known(&request->headers, arena, HEADER_HOST, value);
        return fetch_is_authority(value);
    }
    value = slice_trimmed(value); /* a place without a value leaves the blank beside it */
    return moon_field_check(name.start, name.length, value.start, value.length) == MOON_FIELD_OK &&
           headers_set(&request->headers, arena, name, value);
}

/* Scalars, as the FFI does not compile structs by value. */
/* NOLINTNEXTLINE(readability-function-size) */
bool moon_gather_plan_field(struct gather_plan *plan, uint32_t place, const char *name,
                            size_t name_length, const char *value, size_t value_length)
{
    struct arena *arena = arena_of(plan);
    struct gather_part *part = part_of(plan, place);
    struct slice copy = arena_copy(arena, exports_slice(name, name_length));

    part->owns_host |= header_id_of(copy) == HEADER_HOST;
    part->owns_accept |= header_id_of(copy) == HEADER_ACCEPT;
    return gather_part_set_field(&part->request, arena, copy,
                                 arena_copy(arena, exports_slice(value, value_length)));
}

bool gather_part_owns(const struct gather_part *part, struct header_key key)
{
    if (key.id == HEADER_HOST)
        return part->owns_host;
    if (key.id == HEADER_ACCEPT)
        return part->owns_accept;
    return headers_find(&part->request.headers, key.name) != NULL;
}

bool moon_gather_plan_number(struct gather_plan *plan, uint32_t place, int which, double value)
{
    struct gather_part *part = part_of(plan, place);

    switch ((enum moon_gather_number)which) {
    case MOON_GATHER_TARGET:
        part->cluster = fetch_target_of(plan->generation, value);
        return part->cluster != NULL;
    case MOON_GATHER_SECONDS:
        part->seconds = value;
        return true;
    case MOON_GATHER_LIMIT:
        part->received_max = (size_t)fmin(value, FETCH_BODY_MAX);
        return true;
    case MOON_GATHER_INTEREST:
        part->interest = (enum moon_gather_interest)value;
        return true;
    case MOON_GATHER_IS_FIXED:
        part->is_fixed = value != 0;
        return true;
    }
    return false;
}
