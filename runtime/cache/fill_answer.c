/*
 * fill_answer — stored, confirmed, passed or replaced by what is stored: the answer of a fill.
 */
#include "cache/fill_answer.h"

#include <assert.h>

#include "cache/language_alias.h"
#include "cache/object_head.h"
#include "cache/reuse.h"
#include "cache/validation.h"
#include "cache/variant.h"

static double now(const struct fill *fill)
{
    return loop_now(fill->cache->loop);
}

void fill_give_up_refresh(struct fill *fill)
{
    if (!fill->is_refresh)
        return;
    fill->is_refresh = false;
    object_fill_refresh_give_up(fill->cache->store, &fill->refresh);
}

void fill_uncache(struct fill *fill, enum fill_passed whose)
{
    struct object_store *store = fill->cache->store;
    uint64_t until =
        whose != FILL_PASSED_ONCE ? http_cache_ns(fill->cache, FILL_PASSED_SECONDS) : 0;

    fill_give_up_refresh(fill);
    if (fill->object.object.generation == 0)
        return;
    if (whose == FILL_PASSED_TO_CALLERS)
        object_fill_uncache_for_some(store, &fill->object, until);
    else
        object_fill_uncache(store, &fill->object, until);
}

/* Nobody is told of the rest. */
static void leave_client(struct fill *fill, void (*tell)(void *data))
{
    void *client = fill->data;
    bool has_client = fill->events != NULL;

    fill->events = NULL;
    fill->cache->background_count += has_client;
    if (has_client)
        tell(client);
}

static void drain(struct fill *fill)
{
    fill->step = FILL_DRAINING;
}

static void pass(struct fill *fill, struct response *response)
{
    if (fill->events == NULL) {
        drain(fill);
        return;
    }
    fill->step = FILL_PASSING;
    fill->events->on_passed(fill->data, response);
}

/* ---- storing ---- */

/* Whether the answer varies by other fields than those under which it was claimed. */
static bool has_other_rules(const struct fill *fill, struct slice names)
{
    if (fill->rules.start == NULL)
        return names.length > 0;
    return names.length > 0 && !slice_equals(names, fill->rules);
}

static bool vary(struct fill *fill, struct slice names)
{
    if (!has_other_rules(fill, names))
        return true;
    struct slice variant = variant_key(names, &fill->asked.request->headers, &fill->arena);
    return object_fill_vary(fill->cache->store, &fill->object, names, variant,
                            http_cache_ns(fill->cache, 0)) == OBJECT_DONE;
}

/* Claims the place of what was to be validated; true as well where it was claimed before. */
static bool replace(struct fill *fill)
{
    if (!fill->is_refresh)
        return true;
    fill->claim.now_ns = http_cache_ns(fill->cache, 0);
    if (object_fill_refresh_replace(fill->cache->store, &fill->refresh, &fill->claim,
                                    &fill->object) != OBJECT_DONE)
        return false;
    fill->is_refresh = false;
    return true;
}

static struct object_head_source source_of(struct fill *fill, const struct response *response)
{
    return (struct object_head_source){.asked = &fill->asked,
                                       .key = &fill->key,
                                       .response = response,
                                       .times = {fill->requested, now(fill)},
                                       .arena = &fill->arena};
}

static void add_alias(struct fill *fill, const struct object_head_source *source,
                      const struct object_head *head, struct slice names)
{
    fill->claim.now_ns = http_cache_ns(fill->cache, 0);
    const struct language_alias alias = {
        .rules = names,
        .variant = variant_key(names, &fill->asked.request->headers, &fill->arena),
        .head = head,
        .claim = fill->claim};
    language_alias_add(fill->cache->store, source, &alias);
}

static bool store(struct fill *fill, const struct object_head_source *source,
                  const struct storable *storable)
{
    struct object_head head;

    if (!object_head_make(source, storable, &head) || !replace(fill) ||
        !vary(fill, storable->vary) ||
        object_fill_head(fill->cache->store, &fill->object, &head, http_cache_ns(fill->cache, 0)) !=
            OBJECT_DONE)
        return false;
    if (storable->vary.length > 0)
        add_alias(fill, source, &head, storable->vary);
    return true;
}

/* Who else would get nothing to be stored. */
static enum fill_passed whose(enum storability storability)
{
    if (storability == UNSTORABLE_REQUEST)
        return FILL_PASSED_ONCE;
    return storability == UNSTORABLE_AUTHORIZATION ? FILL_PASSED_TO_CALLERS : FILL_PASSED_TO_ALL;
}

static void take_new(struct fill *fill, struct response *response)
{
    const struct object_head_source source = source_of(fill, response);
    struct storable storable;
    enum storability storability = object_head_storability(&source, &storable);

    if (storability != STORABLE || !store(fill, &source, &storable)) {
        fill_uncache(fill, whose(storability));
        fill->why = storability != STORABLE ? storability_text(storability) : "no-room";
        pass(fill, response);
        return;
    }
    fill->step = FILL_WRITING;
    if (fill->events != NULL)
        fill->events->on_stored(fill->data, response);
}

/* ---- validating ---- */

static void confirm(struct fill *fill, const struct response *not_modified)
{
    const struct object_head_source source = source_of(fill, not_modified);

    drain(fill);
    fill->is_refresh = false;
    object_head_freshen(fill->cache, &source, &fill->stored, &fill->refresh);
    if (fill->events != NULL)
        leave_client(fill, fill->events->on_confirmed);
}

/* What is stored is known by the same name as something else: asked for anew, without conditions.
 */
static void ask_again(struct fill *fill)
{
    http_stream_release(&fill->call);
    fill->has_stored = false;
    fill->is_foreign = true;
    fill_ask(fill);
}

/* Of a server that says it failed: true when that is not the answer. */
static bool stand_in(struct fill *fill, int status)
{
    switch (reuse_on_failure(&fill->asked, &fill->stored.freshness, now(fill), status)) {
    case REUSE_FAILURE_STALE:
        fill_give_up_refresh(fill);
        drain(fill);
        if (fill->events != NULL)
            leave_client(fill, fill->events->on_stale);
        return true;
    case REUSE_FAILURE_TIMEOUT:
    case REUSE_FAILURE_PASS:
        break;
    }
    return false;
}

void fill_take_response(struct fill *fill, struct response *response)
{
    if (!fill->has_stored) {
        take_new(fill, response);
        return;
    }
    switch (validation_of(&fill->stored, response)) {
    case VALIDATION_CONFIRMED:
        confirm(fill, response);
        break;
    case VALIDATION_REPLACED:
        take_new(fill, response);
        break;
    case VALIDATION_FAILED:
        if (!stand_in(fill, response->status)) {
            fill_give_up_refresh(fill);
            pass(fill, response);
        }
        break;
    case VALIDATION_FOREIGN:
        ask_again(fill);
        break;
    }
}

/* The fault that the client is to be told of; FAULT_NONE: what is stored stands in. */
static enum fault fault_of_client(const struct fill *fill, enum fault fault)
{
    if (fill->step != FILL_ASKING || !fill->has_stored)
        return fault;
    switch (reuse_on_failure(&fill->asked, &fill->stored.freshness, now(fill), 0)) {
    case REUSE_FAILURE_STALE:
        return FAULT_NONE;
    case REUSE_FAILURE_TIMEOUT:
        return FAULT_NOT_VALIDATED;
    case REUSE_FAILURE_PASS:
        break;
    }
    return fault;
}

void fill_fail(struct fill *fill, enum fault fault)
{
    const struct fill_events *events = fill->events;
    void *client = fill->data;
    bool was_writing = fill->step == FILL_WRITING || fill->step == FILL_FLOWING;
    enum fault told = fault_of_client(fill, fault);

    fill->references++; /* the client may forget it */
    fill_end(fill);
    if (told == FAULT_NONE)
        events->on_stale(client);
    else if (was_writing)
        events->on_progress(client);
    else
        events->on_failed(client, told);
    fill_forget(fill);
}
