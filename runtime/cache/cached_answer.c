/*
 * cached_answer — an answer out of the store, piece by piece, also while it is still being stored.
 */
#include <assert.h>
#include <math.h>

#include "cache/cached_call_state.h"
#include "shm/object_flow.h"

/* At most so much is told at once. */
#define PIECE_BYTES_MAX 65536

enum next {
    NEXT_PIECE,
    NEXT_END,
    NEXT_LATER, /* there is no more yet */
    NEXT_NEVER
};

/* ---- the head ---- */

/* Who filled the cache gets the head as it came, with what is not stored of it. */
static bool is_plain(const struct cached_call *call, const struct response *response)
{
    return response != NULL && !call->asked.is_conditional && call->asked.range.start == NULL;
}

static void answer_whole(struct cached_call *call, struct response *response)
{
    struct stored_answer_part *part = arena_zeroed(call->stream.arena, sizeof(*part));

    part->bytes = MESSAGE_LENGTH_UNKNOWN;
    call->response = response;
    call->answer.parts = part;
    call->answer.part_count = response->body == BODY_NONE ? 0 : 1;
}

void cached_answer_begin(struct cached_call *call, struct response *response)
{
    struct object_progress progress;
    double now = cached_now(call);

    object_store_progress(cached_store(call), &call->object, &progress);
    if (is_plain(call, response)) {
        answer_whole(call, response);
    } else {
        const struct stored_answer_source source = {&call->head, progress.body_bytes, now};
        stored_answer_make(&call->answer, &call->asked, &source, call->stream.arena);
        call->response = &call->answer.response;
    }
    call->status.has_ttl = true;
    call->status.ttl = (int64_t)floor(freshness_left(&call->head.freshness, now));
    call->status.age = (int64_t)floor(freshness_age(&call->head.freshness, now));
    cached_call_add_status(call, call->response);
    call->step = CACHED_ANSWERING;
    cached_call_wake(call);
}

/* ---- the body ---- */

/* Steps into the part. False: where it begins is not there yet. */
static bool begin_part(struct cached_call *call, const struct stored_answer_part *part)
{
    struct object_progress progress;

    object_store_progress(cached_store(call), &call->object, &progress);
    if (part->first > progress.bytes)
        return false;
    object_store_seek(cached_store(call), &call->object, part->first, &call->cursor);
    call->left = part->bytes;
    call->is_part_begun = true;
    return true;
}

static void end_part(struct cached_call *call)
{
    call->part++;
    call->is_part_begun = false;
}

/* It outgrew the store; the rest is elsewhere. */
static bool follow(struct cached_call *call)
{
    if (call->left != MESSAGE_LENGTH_UNKNOWN ||
        !object_flow_follow(cached_store(call), &call->object, &call->cursor))
        return false;
    call->is_flowing = true;
    return true;
}

/* Nothing is left to be read: whether there will be more. */
static enum next next_of_state(struct cached_call *call)
{
    struct object_progress progress;

    object_store_progress(cached_store(call), &call->object, &progress);
    if (progress.bytes > call->cursor.offset && call->is_part_begun)
        return NEXT_PIECE;
    if (progress.state == OBJECT_IS_FILLING)
        return NEXT_LATER;
    if (progress.state == OBJECT_IS_COMPLETE)
        return call->left == MESSAGE_LENGTH_UNKNOWN ? NEXT_END : NEXT_NEVER;
    return progress.state == OBJECT_IS_CONTINUED && follow(call) ? NEXT_PIECE : NEXT_NEVER;
}

/* The next bytes of the part; empty: none now. */
static struct slice read_part(struct cached_call *call)
{
    size_t most = call->left < PIECE_BYTES_MAX ? (size_t)call->left : PIECE_BYTES_MAX;
    struct slice bytes = object_store_read(cached_store(call), &call->object, &call->cursor, most);

    if (call->left != MESSAGE_LENGTH_UNKNOWN)
        call->left -= bytes.length;
    return bytes;
}

static enum next next_of_part(struct cached_call *call, struct slice *bytes)
{
    const struct stored_answer_part *part = &call->answer.parts[call->part];

    if (!call->is_part_begun) {
        if (!begin_part(call, part))
            return next_of_state(call);
        *bytes = part->before;
        if (bytes->length > 0)
            return NEXT_PIECE;
    }
    *bytes = read_part(call);
    if (bytes->length > 0)
        return NEXT_PIECE;
    enum next next = next_of_state(call);
    if (next == NEXT_PIECE) { /* it has come in this moment, or follows elsewhere */
        *bytes = read_part(call);
        return bytes->length > 0 ? NEXT_PIECE : NEXT_LATER;
    }
    return next;
}

static enum next next_piece(struct cached_call *call, struct slice *bytes)
{
    while (call->part < call->answer.part_count) {
        if (!call->is_part_begun || call->left > 0) {
            enum next next = next_of_part(call, bytes);
            if (next != NEXT_END)
                return next;
        }
        end_part(call);
    }
    if (call->is_after_told || call->answer.after.length == 0)
        return NEXT_END;
    call->is_after_told = true;
    *bytes = call->answer.after;
    return NEXT_PIECE;
}

/* ---- telling ---- */

static bool is_told_by_fill(const struct cached_call *call)
{
    return call->fill != NULL &&
           (call->fill->step == FILL_WRITING || call->fill->step == FILL_FLOWING);
}

/* Whether the next bytes of the answer are among so many: a part that has not begun yet begins
 * further on. */
static bool has_come(const struct cached_call *call, uint64_t bytes)
{
    return call->is_part_begun ? bytes > call->cursor.offset
                               : bytes >= call->answer.parts[call->part].first;
}

/* False: what it waits for has come already. */
static bool wait_for_more(struct cached_call *call)
{
    bool is_different = false;

    if (is_told_by_fill(call))
        return true;
    object_store_progress(cached_store(call), &call->object, &call->wait.seen);
    if (has_come(call, call->wait.seen.bytes) || call->wait.seen.state != OBJECT_IS_FILLING)
        return false;
    call->wait.hold = call->object;
    if (object_store_wait(cached_store(call), &call->wait, &is_different))
        return true;
    if (!is_different)
        cached_call_fail(call, FAULT_UPSTREAM_INCOMPLETE);
    return !is_different;
}

static void tell_end(struct cached_call *call, enum fault fault)
{
    call->step = CACHED_OVER;
    if (fault == FAULT_NONE)
        call->stream.events->on_end(call->stream.data);
    else
        call->stream.events->on_failed(call->stream.data, fault);
}

static enum fault fault_of(const struct cached_call *call)
{
    bool is_known = call->fill != NULL && call->fill->record.fault != FAULT_NONE;
    return is_known ? call->fill->record.fault : FAULT_UPSTREAM_INCOMPLETE;
}

/* One piece, or what comes instead. False: not now, or not any more. */
static bool tell_next(struct cached_call *call)
{
    struct slice bytes = SLICE_NONE;

    switch (next_piece(call, &bytes)) {
    case NEXT_PIECE:
        call->stream.events->on_data(call->stream.data, bytes);
        return true;
    case NEXT_LATER:
        return !wait_for_more(call);
    case NEXT_END:
        tell_end(call, FAULT_NONE);
        break;
    case NEXT_NEVER:
        tell_end(call, fault_of(call));
        break;
    }
    return false;
}

void cached_answer_go_on(struct cached_call *call)
{
    struct http_cache *cache = call->options.cache;
    bool may_go_on = true;

    assert(call->step == CACHED_ANSWERING);
    if (cache->told == call) /* the user asks while it is being told something */
        return;
    assert(cache->told == NULL);
    /* It may wait already: who resumed it while it was told has it woken once more. */
    object_store_wait_cancel(&call->wait);
    cache->told = call;
    if (!call->is_head_told) {
        call->is_head_told = true;
        call->stream.events->on_response(call->stream.data, call->response);
    }
    while (may_go_on && cache->told == call && !call->is_paused)
        may_go_on = tell_next(call);
    cache->told = NULL;
}
