/*
 * cached_lookup — what is found for a request, and what follows: an answer, a wait, or a fill.
 */
#include "base/mem.h"
#include "cache/cached_call_state.h"
#include "cache/language_alias.h"
#include "cache/variant.h"

/* For the same: then everybody asks for himself. */
#define WAITS_MAX 2

void cached_call_let_go_of_marker(struct cached_call *call)
{
    if (call->has_marker)
        object_store_release(cached_store(call), &call->marker);
    call->has_marker = false;
    call->rules = call->variant = SLICE_NONE;
}

/* ---- asking the upstream ---- */

static struct object_claim claim_of(const struct cached_call *call)
{
    return (struct object_claim){.account = call->options.policy->account,
                                 .route = call->options.policy->route,
                                 .now_ns = cached_now_ns(call)};
}

static struct fill_options fill_options_of(struct cached_call *call)
{
    return (struct fill_options){
        .cache = call->options.cache,
        .cluster = call->options.cluster,
        .call = call->options.call,
        .keeper = call->options.keeper,
        .policy = call->options.policy,
        .request = call->request,
        .outbound = call->options.outbound(call->stream.data),
        .context = call->options.context,
        .key = call->key,
        .claim = claim_of(call),
        .rules = call->rules,
        .events = &CACHED_FILL_EVENTS,
        .data = call,
    };
}

static void begin_fill(struct cached_call *call, const struct fill_options *options)
{
    call->step = CACHED_ASKING;
    call->fill = fill_start(options);
    arena_defer(call->stream.arena, fill_forget, call->fill);
}

/* Nothing can be used of what is there: whether the right to fill it is ours. */
static enum object_filled claim(struct cached_call *call, struct object_fill *object)
{
    struct object_claim claimed = claim_of(call);

    claimed.doubt = call->doubt;
    if (call->has_marker)
        return object_fill_claim_variant(cached_store(call), &call->marker, call->variant, &claimed,
                                         object);
    return object_fill_claim(cached_store(call), &call->key, &claimed, object);
}

static bool may_fill(const struct cached_call *call)
{
    return call->request->method == METHOD_GET && call->asked.may_store;
}

/* Whether a part is asked for as such, by the policy, or since the whole is not stored anyway. */
static bool wants_part_alone(const struct cached_call *call, bool is_not_stored)
{
    return call->asked.range.start != NULL &&
           (is_not_stored || call->options.policy->is_range_passed);
}

/* The client wants it from here alone (RFC 9111, 5.2.1.7). */
static void refuse(struct cached_call *call)
{
    call->status.forward = CACHE_FORWARD_FORBIDDEN;
    cached_call_fail(call, FAULT_NOT_CACHED);
}

/* Nothing is there. `is_passed`: it was found not to be stored lately, so nobody is waited for. */
static void miss(struct cached_call *call, bool is_passed)
{
    struct object_fill object = {0};
    enum cache_forward why = call->has_marker ? CACHE_FORWARD_VARY_MISS : CACHE_FORWARD_URI_MISS;

    if (reuse_of_nothing(&call->asked) == REUSE_UNAVAILABLE) {
        refuse(call);
        return;
    }
    if (wants_part_alone(call, is_passed)) {
        cached_call_pass(call, why);
        return;
    }
    enum object_filled filled = may_fill(call) ? claim(call, &object) : OBJECT_NO_ROOM;
    if (filled == OBJECT_DONE) {
        struct fill_options options = fill_options_of(call);
        options.object = &object;
        call->status.forward = why;
        begin_fill(call, &options);
    } else if (filled == OBJECT_TAKEN && !is_passed && call->waits < WAITS_MAX) {
        call->waits++; /* somebody was quicker just now */
        cached_call_look_up(call);
    } else {
        cached_call_pass(call, why);
    }
}

/* ---- waiting ---- */

static void wait_for_object(struct cached_call *call, const struct object_progress *seen)
{
    bool is_different;

    call->step = CACHED_WAITING;
    call->wait.hold = call->object;
    call->wait.seen = *seen;
    if (object_store_wait(cached_store(call), &call->wait, &is_different))
        return;
    if (is_different) {
        cached_lookup_on_ready(&call->wait);
        return;
    }
    cached_call_let_go(call);
    cached_call_pass(call, CACHE_FORWARD_MISS);
}

/* Goes for itself, since nothing came of what it waited for. */
static void go_alone(struct cached_call *call, bool may_claim)
{
    cached_call_let_go(call);
    call->waits = WAITS_MAX;
    if (may_claim)
        miss(call, true);
    else
        cached_call_pass(call, call->has_marker ? CACHE_FORWARD_VARY_MISS : CACHE_FORWARD_URI_MISS);
}

/* Its head is there: whether it is the answer to this request as well. */
static void try_filling(struct cached_call *call)
{
    if (cached_call_read_head(call) &&
        reuse_decide(&call->asked, &call->head.freshness, cached_now(call), false).reuse ==
            REUSE_FRESH) {
        call->status.is_collapsed = true;
        call->status.forward = CACHE_FORWARD_URI_MISS;
        cached_answer_begin(call, NULL);
        return;
    }
    go_alone(call, false);
}

/* Its filler may leave at any moment. */
static bool is_lone(const struct object_progress *progress)
{
    return progress->has_head && progress->is_lone && progress->state == OBJECT_IS_FILLING;
}

/* Such answers were not stored lately: this one is worth waiting for once its head says that it
 * will be. */
static bool is_doubted(const struct cached_call *call, const struct object_progress *progress)
{
    if (progress->has_head || progress->state != OBJECT_IS_FILLING)
        return false;
    return progress->doubt == OBJECT_DOUBTED ||
           (progress->doubt == OBJECT_DOUBTED_BY_SOME && cache_request_is_of_caller(&call->asked));
}

static void look_at_filling(struct cached_call *call)
{
    struct object_progress progress;

    object_store_progress(cached_store(call), &call->object, &progress);
    if (progress.state == OBJECT_IS_MOVED) {
        cached_call_let_go(call);
        cached_call_look_up(call);
    } else if (progress.state == OBJECT_IS_ABORTED || progress.state == OBJECT_IS_UNCACHED ||
               progress.state == OBJECT_IS_CONTINUED) {
        go_alone(call, progress.state == OBJECT_IS_ABORTED);
    } else if (progress.is_removed) {
        go_alone(call, true);
    } else if (is_lone(&progress) || is_doubted(call, &progress)) {
        go_alone(call, false);
    } else if (progress.has_head) {
        try_filling(call);
    } else {
        wait_for_object(call, &progress);
    }
}

void cached_lookup_on_ready(struct object_wait *wait)
{
    struct cached_call *call = CONTAINER_OF(wait, struct cached_call, wait);

    if (call->step == CACHED_ANSWERING) {
        cached_answer_go_on(call);
    } else if (call->is_refreshing) {
        call->is_refreshing = false;
        cached_call_let_go(call);
        cached_call_look_up(call);
    } else {
        look_at_filling(call);
    }
}

/* Somebody else has asked for it. */
static void join(struct cached_call *call)
{
    if (reuse_of_nothing(&call->asked) == REUSE_UNAVAILABLE) {
        cached_call_let_go(call);
        refuse(call);
    } else if (call->waits >= WAITS_MAX || wants_part_alone(call, false)) {
        go_alone(call, false);
    } else {
        call->waits++;
        look_at_filling(call);
    }
}

/* ---- what is stored ---- */

bool cached_call_read_head(struct cached_call *call)
{
    struct slice bytes = object_store_metadata(cached_store(call), &call->object);

    call->metadata = arena_copy(call->stream.arena, bytes);
    call->has_head = stored_head_read(call->metadata, &call->head);
    return call->has_head;
}

/* Not for want of an answer: what is stored needs a validation, which is not waited for. */
static void pass_by(struct cached_call *call)
{
    cached_call_let_go(call);
    cached_call_pass(call, call->status.forward);
}

static void wait_for_refresh(struct cached_call *call)
{
    struct object_progress progress;

    object_store_progress(cached_store(call), &call->object, &progress);
    if (!progress.is_refreshing || call->waits >= WAITS_MAX) {
        pass_by(call);
        return;
    }
    call->waits++;
    call->is_refreshing = true;
    wait_for_object(call, &progress);
}

/* What is found out for another request may be used for this one, too; of a failure a part of those
 * who wait get what is stale. */
static bool is_worth_waiting(const struct cached_call *call)
{
    const struct freshness *freshness = &call->head.freshness;

    if ((freshness->flags & FRESHNESS_NO_CACHE) != 0)
        return false;
    return freshness->lifetime > 0 || freshness->stale_if_error > 0;
}

/* Asks the upstream whether what is held still holds, or for what replaces it. */
static void validate(struct cached_call *call, bool is_usable, enum cache_forward why)
{
    struct object_refresh refresh;

    call->status.forward = why;
    if (!may_fill(call) || (!is_usable && wants_part_alone(call, false))) {
        cached_call_pass(call, why);
    } else if (object_fill_refresh(cached_store(call), &call->object, &refresh)) {
        struct fill_options options = fill_options_of(call);
        options.refresh = &refresh;
        options.stored = is_usable ? call->metadata : SLICE_NONE;
        begin_fill(call, &options);
    } else if (is_usable && !is_worth_waiting(call)) {
        pass_by(call);
    } else {
        wait_for_refresh(call);
    }
}

/* Behind the client's back. */
static void refresh_in_background(struct cached_call *call)
{
    struct object_refresh refresh;

    if (!may_fill(call) || !fill_may_be_alone(call->options.cache) ||
        !object_fill_refresh(cached_store(call), &call->object, &refresh))
        return;
    struct fill_options options = fill_options_of(call);
    options.refresh = &refresh;
    options.stored = call->metadata;
    options.events = NULL;
    fill_forget(fill_start(&options));
}

/* It was validated for somebody else after this request had come: that counts for this one, too. */
static bool was_just_validated(const struct cached_call *call)
{
    const struct freshness *freshness = &call->head.freshness;

    return freshness->received > call->started && freshness_left(freshness, cached_now(call)) > 0 &&
           (freshness->flags & FRESHNESS_NO_CACHE) == 0;
}

static struct reuse_verdict decide(const struct cached_call *call)
{
    struct object_progress progress;

    object_store_progress(cached_store(call), &call->object, &progress);
    struct reuse_verdict verdict =
        reuse_decide(&call->asked, &call->head.freshness, cached_now(call), progress.is_stale);
    if (verdict.reuse == REUSE_VALIDATE && !progress.is_stale && was_just_validated(call))
        verdict.reuse = REUSE_FRESH;
    return verdict;
}

static void consider(struct cached_call *call)
{
    if (!cached_call_read_head(call)) {
        validate(call, false, CACHE_FORWARD_MISS);
        return;
    }
    const struct reuse_verdict verdict = decide(call);
    switch (verdict.reuse) {
    case REUSE_REFRESH:
        refresh_in_background(call);
        cached_answer_begin(call, NULL);
        break;
    case REUSE_FRESH:
    case REUSE_STALE:
        cached_answer_begin(call, NULL);
        break;
    case REUSE_VALIDATE:
        validate(call, true, verdict.forward);
        break;
    case REUSE_GONE:
        validate(call, false, verdict.forward);
        break;
    case REUSE_UNAVAILABLE:
        refuse(call);
        break;
    }
}

static enum object_found find_variant(struct cached_call *call)
{
    struct arena *arena = call->stream.arena;

    call->marker = call->object;
    call->has_marker = true;
    call->rules = arena_copy(arena, object_store_metadata(cached_store(call), &call->marker));
    call->variant = variant_key(call->rules, &call->request->headers, arena);
    enum object_found found = object_store_find_variant(
        cached_store(call), &call->marker, call->variant, cached_now_ns(call), &call->object);
    if (found != OBJECT_MISSING)
        return found;
    const struct language_wish wish = {.marker = &call->marker,
                                       .rules = call->rules,
                                       .request = &call->request->headers,
                                       .now_ns = cached_now_ns(call),
                                       .arena = arena};
    return language_alias_find(cached_store(call), &wish, &call->object);
}

static enum object_doubt doubt_of(const struct cached_call *call, enum object_found found)
{
    if (found == OBJECT_PASSED)
        return OBJECT_DOUBTED;
    return found == OBJECT_PASSED_BY_SOME && cache_request_is_of_caller(&call->asked)
               ? OBJECT_DOUBTED_BY_SOME
               : OBJECT_NOT_DOUBTED;
}

void cached_call_look_up(struct cached_call *call)
{
    cached_call_let_go_of_marker(call);
    enum object_found found =
        object_store_find(cached_store(call), &call->key, cached_now_ns(call), &call->object);
    if (found == OBJECT_VARIES)
        found = find_variant(call);
    call->doubt = doubt_of(call, found);
    call->is_held = found == OBJECT_COMPLETE || found == OBJECT_FILLING;
    if (found == OBJECT_COMPLETE)
        consider(call);
    else if (found == OBJECT_FILLING)
        join(call);
    else
        miss(call, call->doubt != OBJECT_NOT_DOUBTED);
}
