/*
 * gather_requests — where nothing is added, a plan's own fields go out as they are.
 */
#include "bridge/gather_requests.h"

#include <assert.h>

#include "bridge/decision.h"

bool gather_forward(struct gather *gather)
{
    const struct gather_plan *plan = gather->plan;
    const struct headers *headers = &gather->exchange->request->headers;
    struct arena *arena = &gather->exchange->arena;
    bool all_fit = true;

    for (uint32_t i = 0; i < plan->forward_count; i++) {
        struct header_key key = plan->forwards[i];
        struct header field = {.name = key.name, .id = key.id};
        field.value = headers_joined_key(headers, arena, key);
        if (field.value.start == NULL)
            continue;
        all_fit &= key.id != HEADER_HOST || fetch_is_authority(field.value);
        all_fit &= headers_add_field(&gather->forwarded, arena, &field);
    }
    return all_fit;
}

static struct arena *arena_of(const struct gather_ask *ask)
{
    return &ask->gather->exchange->arena;
}

static void add_forwarded(struct gather_ask *ask)
{
    struct request *request = &ask->fetch.request;
    uint32_t at = 0;

    for (const struct header *field;
         (field = headers_next(&ask->gather->forwarded, &at)) != NULL;) {
        if (gather_part_owns(ask->part, (struct header_key){field->name, field->id}))
            continue;
        if (field->id == HEADER_HOST)
            request->authority = field->value;
        headers_set_field(&request->headers, arena_of(ask), field);
    }
}

void gather_make_request(struct gather_ask *ask)
{
    const struct gather_part *part = ask->part;
    struct fetch *fetch = &ask->fetch;

    fetch_init(fetch, arena_of(ask), ask->gather->loop, part->received_max);
    fetch->request = part->request;
    fetch->options.total_seconds = part->seconds;
    fetch_limit(fetch, ask->gather->exchange);
    if (part->body.start != NULL)
        fetch_set_body(fetch, part->body);
    if (part->is_fixed && ask->gather->forwarded.count == 0)
        return;
    headers_copy(&fetch->request.headers, &part->request.headers, arena_of(ask));
    add_forwarded(ask);
}

/* NULL when it has not been asked, or has gone out already. */
static struct gather_ask *unsent_ask(struct exchange *exchange, uint32_t place)
{
    const struct gather *gather = decision_of(exchange)->gather;
    struct gather_ask *ask =
        gather != NULL && place < gather->plan->part_count ? gather->places[place].ask : NULL;
    return ask != NULL && !ask->is_sent && !ask->part->is_fixed ? ask : NULL;
}

bool moon_gather_ask_text(struct exchange *exchange, uint32_t place, int which, const char *text,
                          size_t length)
{
    struct gather_ask *ask = unsent_ask(exchange, place);
    struct slice copy = arena_copy(&exchange->arena, exports_slice(text, length));

    if (ask == NULL)
        return false;
    if (which == MOON_GATHER_BODY) {
        fetch_set_body(&ask->fetch, copy);
        return true;
    }
    assert(which == MOON_GATHER_PATH);
    fetch_set_path(&ask->fetch.request, copy);
    return fetch_is_path(copy);
}

/* Scalars, as the FFI does not compile structs by value. */
/* NOLINTNEXTLINE(readability-function-size) */
bool moon_gather_ask_field(struct exchange *exchange, uint32_t place, const char *name,
                           size_t name_length, const char *value, size_t value_length)
{
    struct gather_ask *ask = unsent_ask(exchange, place);
    struct arena *arena = &exchange->arena;

    return ask != NULL &&
           gather_part_set_field(&ask->fetch.request, arena,
                                 arena_copy(arena, exports_slice(name, name_length)),
                                 arena_copy(arena, exports_slice(value, value_length)));
}
