/*
 * fetch_library — waiting for the answer to a request of one's own: the library
 * "moongate.core.fetch".
 */
#include "bridge/fetch_library.h"

#include <assert.h>
#include <lauxlib.h>
#include <math.h>

#include "base/mem.h"
#include "bridge/exports.h"
#include "bridge/fetch.h"
#include "bridge/fetch_target.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"

/* Kept for reuse by each generation, with the first block of their memory. */
#define IDLE_MAX 64

struct fetch_wait {
    struct fetch_wait *next_idle;
    struct task *task;
    struct arena arena;
    struct fetch fetch;
};

static struct fetch_wait *wait_take(struct generation *generation)
{
    struct fetch_wait *wait = generation->idle_fetches;

    if (wait == NULL) {
        wait = mem_zeroed(sizeof(*wait));
        arena_init(&wait->arena);
        return wait;
    }
    generation->idle_fetches = wait->next_idle;
    generation->idle_fetch_count--;
    return wait;
}

static void wait_free(struct fetch_wait *wait)
{
    struct generation *generation = task_generation(wait->task);

    fetch_stop(&wait->fetch);
    if (generation->idle_fetch_count == IDLE_MAX) {
        arena_clear(&wait->arena);
        free(wait);
        return;
    }
    arena_reset(&wait->arena);
    wait->next_idle = generation->idle_fetches;
    generation->idle_fetches = wait;
    generation->idle_fetch_count++;
}

void fetches_clear(struct generation *generation)
{
    while (generation->idle_fetches != NULL) {
        struct fetch_wait *wait = generation->idle_fetches;
        generation->idle_fetches = wait->next_idle;
        arena_clear(&wait->arena);
        free(wait);
    }
    generation->idle_fetch_count = 0;
}

static void on_cancel(void *data)
{
    wait_free(data);
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

/* status, fields as a flat list, body. */
static void push_answer(lua_State *thread, const struct fetch *fetch)
{
    struct slice body = buffer_slice(&fetch->received);

    lua_pushinteger(thread, fetch->response->status);
    push_fields(thread, fetch_fields(fetch));
    lua_pushlstring(thread, body.length > 0 ? body.start : "", body.length);
}

/* nil, type of the fault, sentence about it. */
static void push_fault(lua_State *thread, enum fault fault)
{
    lua_pushnil(thread);
    lua_pushstring(thread, fault_type(fault));
    lua_pushstring(thread, fault_text(fault));
}

static void on_ended(void *data, enum fault fault)
{
    struct fetch_wait *wait = data;
    struct task *task = wait->task;

    if (fault == FAULT_NONE)
        push_answer(task_thread(task), &wait->fetch);
    else
        push_fault(task_thread(task), fault);
    wait_free(wait);
    task_resume(task, 3);
}

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
            all_fit &= headers_add(&fetch->request.headers, fetch->arena,
                                   arena_copy(fetch->arena, name), arena_copy(fetch->arena, value));
        all_fit &= is_good;
        lua_pop(thread, 2);
    }
    return all_fit;
}

static bool read_request(lua_State *thread, struct fetch *fetch)
{
    struct request *request = &fetch->request;
    struct arena *arena = fetch->arena;
    struct slice path = arena_copy(arena, text_argument(thread, 3));

    request->method_name = arena_copy(arena, text_argument(thread, 2));
    request->method = method_of(request->method_name);
    fetch_set_path(request, path);
    request->authority = arena_copy(arena, text_argument(thread, 4));
    if (!lua_isnil(thread, 6))
        fetch_set_body(fetch, arena_copy(arena, text_argument(thread, 6)));
    headers_set_known(&request->headers, arena, HEADER_HOST, request->authority);
    return fetch_is_path(path) && fetch_is_authority(request->authority) &&
           fetch_is_method(request->method_name) && read_fields(thread, 5, fetch);
}

static void prepare(lua_State *thread, struct fetch_wait *wait, struct task *task)
{
    struct fetch *fetch = &wait->fetch;
    double connect = lua_tonumber(thread, 7), total = lua_tonumber(thread, 8);
    double limit = fmin(lua_tonumber(thread, 9), FETCH_BODY_MAX);

    fetch_init(fetch, &wait->arena, task_generation(task)->services->loop,
               limit > 0 ? (size_t)limit : 0);
    fetch->request = FETCH_REQUEST;
    fetch->ended = on_ended;
    fetch->data = wait;
    wait->task = task;
    if (connect > 0)
        fetch->options.connect_seconds = connect;
    fetch->options.total_seconds = total > 0 ? total : 0;
    fetch_limit(fetch, task_exchange(task));
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
 * (target, method, path with query, authority, fields, body or nil, connect, total, limit)
 * -> status, fields, body; or nil, fault, text.
 */
static int call_upstream(lua_State *thread)
{
    struct task *task = task_awaiting(thread);
    struct cluster *cluster = fetch_target_argument(thread, 1);
    check_arguments(thread);
    struct fetch_wait *wait = wait_take(task_generation(task));

    prepare(thread, wait, task);
    if (!read_request(thread, &wait->fetch)) {
        wait_free(wait);
        return luaL_error(thread,
                          "the host, path, method or a header of the fetch is not what it may be");
    }
    fetch_start(&wait->fetch, cluster);
    return task_suspend(task, on_cancel, wait);
}

const luaL_Reg FETCH_LIBRARY[] = {
    {"call", call_upstream},
    {"target", fetch_target_find},
    {NULL, NULL},
};
