/*
 * cached_tee — a claim of the key of GET, and what passes is written there.
 *
 * It goes at the pace of its client and ends with it, so who asks for the same meanwhile asks for
 * himself.
 */
#include "cache/cached_tee.h"

#include "cache/cache_key.h"
#include "cache/object_head.h"
#include "cache/variant.h"

void cached_tee_drop(struct cached_call *call)
{
    call->is_teeing = false;
    object_fill_abort(cached_store(call), &call->tee);
}

static bool claim(struct cached_call *call, const struct storable *storable)
{
    struct object_store *store = cached_store(call);
    const struct object_claim claimed = {.account = call->options.policy->account,
                                         .route = call->options.policy->route,
                                         .now_ns = cached_now_ns(call)};

    if (object_fill_claim(store, &call->key, &claimed, &call->tee) != OBJECT_DONE)
        return false;
    if (storable->vary.length == 0)
        return true;
    struct slice variant = variant_key(storable->vary, &call->request->headers, call->stream.arena);
    return object_fill_vary(store, &call->tee, storable->vary, variant, cached_now_ns(call)) ==
           OBJECT_DONE;
}

void cached_tee_begin(struct cached_call *call, const struct response *response)
{
    const struct cache_key key = cache_key_make(&call->asked, call->stream.arena);
    const struct object_head_source source = {.asked = &call->asked,
                                              .key = &call->key,
                                              .response = response,
                                              .times = {call->started, cached_now(call)},
                                              .arena = call->stream.arena};
    struct storable storable;
    struct object_head head;

    call->key = (struct object_key){key.text, key.uri_at};
    if (key.text.start == NULL || object_head_storability(&source, &storable) != STORABLE ||
        !object_head_make(&source, &storable, &head))
        return;
    if (claim(call, &storable)) {
        object_fill_alone(cached_store(call), &call->tee);
        call->is_teeing = object_fill_head(cached_store(call), &call->tee, &head,
                                           cached_now_ns(call)) == OBJECT_DONE;
    }
    if (call->is_teeing)
        call->status.is_stored = true;
    else
        cached_tee_drop(call);
}

void cached_tee_data(struct cached_call *call, struct slice bytes)
{
    if (object_fill_append(cached_store(call), &call->tee, bytes, cached_now_ns(call)) !=
        OBJECT_DONE)
        cached_tee_drop(call);
}

void cached_tee_end(struct cached_call *call)
{
    call->is_teeing = false;
    object_fill_complete(cached_store(call), &call->tee);
}
