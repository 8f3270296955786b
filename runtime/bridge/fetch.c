/*
 * fetch — a plugin's own request to an upstream: the library "moongate.core.fetch".
 *
 * Goes through the same calls as forwarded requests do: pools, TLS, retries, timeouts. The answer's
 * body is held whole, up to the caller's limit.
 */
#include "bridge/fetch.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>

#include "base/mem.h"
#include "bridge/exports.h"
#include "bridge/fetch_target.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "http/uri.h"
#include "net/loop.h"
#include "upstream/call.h"

/* A body is handed over in pieces of this size. */
#define PIECE_BYTES 65536
/* Of an answer's body, whatever the caller says. */
#define BODY_MAX 1073741824.0
/* Kept for reuse by each generation, with the first block of their memory. */
#define IDLE_MAX 64

struct fetch {
    struct fetch *next_idle;
    struct task *task;
    struct http_stream *stream;
    struct arena arena;
    struct call_options options;
    struct request request;
    struct slice body_left;
    bool has_sent_end;
    struct response *response;
    struct buffer received;
    size_t received_max;
    bool is_bare; /* the fields of a 2xx answer are not asked for */
};

static struct fetch *fetch_take(struct generation *generation)
{
    struct fetch *fetch = generation->idle_fetches;

    if (fetch == NULL) {
        fetch = mem_zeroed(sizeof(*fetch));
        arena_init(&fetch->arena);
        return fetch;
    }
    generation->idle_fetches = fetch->next_idle;
    generation->idle_fetch_count--;
    *fetch = (struct fetch){.arena = fetch->arena};
    return fetch;
}

static void fetch_free(struct fetch *fetch)
{
    struct generation *generation = task_generation(fetch->task);

    if (fetch->stream != NULL)
        http_stream_release(&fetch->stream);
    buffer_clear(&fetch->received);
    if (generation->idle_fetch_count == IDLE_MAX) {
        arena_clear(&fetch->arena);
        free(fetch);
        return;
    }
    arena_reset(&fetch->arena);
    fetch->next_idle = generation->idle_fetches;
    generation->idle_fetches = fetch;
    generation->idle_fetch_count++;
}

void fetches_clear(struct generation *generation)
{
    while (generation->idle_fetches != NULL) {
        struct fetch *fetch = generation->idle_fetches;
        generation->idle_fetches = fetch->next_idle;
        arena_clear(&fetch->arena);
        free(fetch);
    }
    generation->idle_fetch_count = 0;
}

static void on_cancel(void *wait)
{
    fetch_free(wait);
}

/* nil, type of the fault, sentence about it. */
static void end_with_fault(struct fetch *fetch, enum fault fault)
{
    struct task *task = fetch->task;
    lua_State *thread = task_thread(task);

    fetch_free(fetch);
    lua_pushnil(thread);
    lua_pushstring(thread, fault_type(fault));
    lua_pushstring(thread, fault_text(fault));
    task_resume(task, 3);
}

static void push_fields(lua_State *thread, const struct headers *headers)
{
    uint32_t at = 0;
    int count = 0;

    lua_createtable(thread, (int)headers->count * 2, 0);
    for (const struct header *header; (header = headers_next(headers, &at)) != NULL;) {
        lua_pushlstring(thread, header->name.start, header->name.length);
        lua_rawseti(thread, -2, ++count);
        lua_pushlstring(thread, header->value.start, header->value.length);
        lua_rawseti(thread, -2, ++count);
    }
}

/* status, fields as a flat list or nil, body. */
static void on_end(void *data)
{
    struct fetch *fetch = data;
    struct task *task = fetch->task;
    lua_State *thread = task_thread(task);
    struct slice body = buffer_slice(&fetch->received);
    int status = fetch->response->status;

    lua_pushinteger(thread, status);
    if (fetch->is_bare && status >= 200 && status <= 299)
        lua_pushnil(thread);
    else
        push_fields(thread, &fetch->response->headers);
    lua_pushlstring(thread, body.length > 0 ? body.start : "", body.length);
    fetch_free(fetch);
    task_resume(task, 3);
}

static void on_response(void *data, struct response *response)
{
    struct fetch *fetch = data;
    headers_remove_hop_by_hop(&response->headers);
    fetch->response = response;
}

static void on_data(void *data, struct slice bytes)
{
    struct fetch *fetch = data;
    if (bytes.length > fetch->received_max - buffer_length(&fetch->received) ||
        !buffer_append(&fetch->received, bytes))
        end_with_fault(fetch, FAULT_UPSTREAM_BODY_TOO_LARGE);
}

static void on_failed(void *data, enum fault fault)
{
    end_with_fault(data, fault);
}

static void send_body(struct fetch *fetch)
{
    bool may_go_on = true;

    while (fetch->body_left.length > 0 && may_go_on) {
        size_t length =
            fetch->body_left.length < PIECE_BYTES ? fetch->body_left.length : PIECE_BYTES;
        may_go_on = http_stream_send_data(fetch->stream, slice_of(fetch->body_left.start, length));
        fetch->body_left = slice_after(fetch->body_left, length);
    }
    if (fetch->body_left.length > 0 || fetch->has_sent_end)
        return; /* there may be room once more after the last piece */
    fetch->has_sent_end = true;
    http_stream_send_end(fetch->stream, NULL);
}

/* Also comes when the last piece did not find a connection yet. */
static void on_writable(void *data)
{
    send_body(data);
}

static const struct http_stream_events EVENTS = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

static struct slice text_argument(lua_State *thread, int at)
{
    struct slice text;
    text.start = luaL_checklstring(thread, at, &text.length);
    return text;
}

/* Whether a plugin may send it: what frames the message is ours. */
static bool is_field(struct slice name, struct slice value)
{
    return name.start != NULL && value.start != NULL &&
           moon_field_check(name.start, name.length, value.start, value.length) == MOON_FIELD_OK;
}

/* The flat list of names and values at `at`; false when one of them is not what a field may be. */
static bool read_fields(lua_State *thread, int at, struct fetch *fetch)
{
    int count = (int)lua_objlen(thread, at);
    bool all_fit = true;

    for (int i = 1; i + 1 <= count; i += 2) {
        struct slice name = SLICE_NONE, value = SLICE_NONE;
        lua_rawgeti(thread, at, i);
        lua_rawgeti(thread, at, i + 1);
        name.start = lua_tolstring(thread, -2, &name.length);
        value.start = lua_tolstring(thread, -1, &value.length);
        bool is_good = is_field(name, value);
        if (is_good)
            all_fit &=
                headers_add(&fetch->request.headers, &fetch->arena, arena_copy(&fetch->arena, name),
                            arena_copy(&fetch->arena, value));
        all_fit &= is_good;
        lua_pop(thread, 2);
    }
    return all_fit;
}

/* A target of visible ASCII that begins with '/'. */
static bool is_path(struct slice path)
{
    for (size_t i = 0; i < path.length; i++) {
        if (path.start[i] <= ' ' || path.start[i] > '~')
            return false;
    }
    return path.length > 0 && path.start[0] == '/';
}

/* What Host says: an authority, which has neither blanks nor line ends. */
static bool is_authority(struct slice text)
{
    struct uri_authority parts;
    return uri_parse_authority(text, &parts);
}

static bool read_request(lua_State *thread, struct fetch *fetch)
{
    struct request *request = &fetch->request;
    struct arena *arena = &fetch->arena;
    struct slice path = text_argument(thread, 3);

    request->method_name = arena_copy(arena, text_argument(thread, 2));
    request->method = method_of(request->method_name);
    size_t mark = slice_find(path, '?');
    request->path = arena_copy(arena, slice_of(path.start, mark));
    if (mark < path.length)
        request->query = arena_copy(arena, slice_after(path, mark + 1));
    request->authority = arena_copy(arena, text_argument(thread, 4));
    request->scheme = SLICE("http");
    request->minor_version = 1;
    request->content_length = MESSAGE_LENGTH_UNKNOWN;
    if (!lua_isnil(thread, 6)) {
        fetch->body_left = arena_copy(arena, text_argument(thread, 6));
        request->body = BODY_LENGTH;
        request->content_length = fetch->body_left.length;
    }
    headers_set_known(&request->headers, arena, HEADER_HOST, request->authority);
    return is_path(path) && is_authority(request->authority) &&
           headers_is_name(request->method_name) && request->method != METHOD_CONNECT &&
           read_fields(thread, 5, fetch);
}

static void read_options(lua_State *thread, struct fetch *fetch)
{
    fetch->options = CALL_OPTIONS;
    double connect = lua_tonumber(thread, 7), total = lua_tonumber(thread, 8);
    if (connect > 0)
        fetch->options.connect_seconds = connect;
    fetch->options.total_seconds = total > 0 ? total : 0;
    double limit = lua_tonumber(thread, 9);
    fetch->received_max = limit > 0 ? (size_t)fmin(limit, BODY_MAX) : 0;
    buffer_init(&fetch->received, (size_t)BODY_MAX,
                &task_generation(fetch->task)->services->loop->blocks);
    fetch->is_bare = lua_toboolean(thread, 10);
}

/* Raises, so that nothing later has to. */
static void check_arguments(lua_State *thread)
{
    for (int i = 2; i <= 4; i++)
        luaL_checkstring(thread, i);
    luaL_checktype(thread, 5, LUA_TTABLE);
    if (!lua_isnil(thread, 6))
        luaL_checkstring(thread, 6);
    for (int i = 7; i <= 9; i++)
        luaL_checknumber(thread, i);
}

/*
 * (target, method, path with query, authority, fields, body or nil, connect, total, limit, is bare)
 * -> status, fields, body; or nil, fault, text. Bare: without the fields of a 2xx answer.
 */
static int call_upstream(lua_State *thread)
{
    struct task *task = task_awaiting(thread);
    struct cluster *cluster = fetch_target_argument(thread, 1);
    check_arguments(thread);
    struct fetch *fetch = fetch_take(task_generation(task));

    fetch->task = task;
    read_options(thread, fetch);
    if (!read_request(thread, fetch)) {
        fetch_free(fetch);
        return luaL_error(thread,
                          "the host, path, method or a header of the fetch is not what it may be");
    }
    fetch->stream = call_start(cluster, &fetch->options, &EVENTS, fetch, &fetch->arena);
    http_stream_send_request(fetch->stream, &fetch->request);
    send_body(fetch);
    return task_suspend(task, on_cancel, fetch);
}

const luaL_Reg FETCH_LIBRARY[] = {
    {"call", call_upstream},
    {"target", fetch_target_find},
    {NULL, NULL},
};
