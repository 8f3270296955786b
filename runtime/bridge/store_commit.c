/*
 * store_commit — changing the store from Lua, and waiting until that is durable: the library
 * "moongate.core.store".
 *
 * Whoever waits may be cancelled; what it has begun is done all the same.
 */
#include <assert.h>
#include <lauxlib.h>

#include "base/arena.h"
#include "base/mem.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/loop.h"
#include "store/store.h"

struct commit {
    struct store_batch batch;
    struct arena arena; /* what the batch points to */
    struct task *task;  /* NULL: cancelled meanwhile */
    struct loop *loop;
};

static void commit_free(struct commit *commit)
{
    arena_clear(&commit->arena);
    free(commit);
}

static void on_cancel(void *wait)
{
    struct commit *commit = wait;
    commit->task = NULL;
}

/* outcome, place of the operation that did not hold, sums by place. */
static int push_result(lua_State *thread, const struct store_batch *batch)
{
    lua_pushinteger(thread, (lua_Integer)batch->outcome);
    lua_pushinteger(thread, (lua_Integer)batch->failed_at + 1);
    lua_createtable(thread, 0, 1);
    for (size_t i = 0; i < batch->count; i++) {
        enum store_change change = batch->operations[i].change;
        bool is_sum = change == STORE_ADD || change == STORE_RAISE;
        if (!is_sum || batch->outcome != STORE_DONE)
            continue;
        lua_pushnumber(thread, (double)batch->operations[i].sum);
        lua_rawseti(thread, -2, (int)i + 1);
    }
    return 3;
}

static void on_done(struct store_batch *batch)
{
    struct commit *commit = CONTAINER_OF(batch, struct commit, batch);
    struct task *task = commit->task;
    struct loop *loop = commit->loop;
    int count = task != NULL ? push_result(task_thread(task), batch) : 0;

    commit_free(commit);
    if (task != NULL)
        task_resume(task, count);
    loop_flush(loop);
}

static struct slice text_field(lua_State *thread, struct arena *arena, const char *name)
{
    struct slice text = SLICE_NONE;

    lua_getfield(thread, -1, name);
    if (lua_isstring(thread, -1)) {
        text.start = lua_tolstring(thread, -1, &text.length);
        text = arena_copy(arena, text);
    }
    lua_pop(thread, 1);
    return text;
}

static double number_field(lua_State *thread, const char *name)
{
    lua_getfield(thread, -1, name);
    double number = lua_tonumber(thread, -1);
    lua_pop(thread, 1);
    return number;
}

/* The operation on top of the stack. */
static void read_operation(lua_State *thread, struct commit *commit,
                           struct store_operation *operation)
{
    double seconds = number_field(thread, "seconds");

    *operation = (struct store_operation){
        .change = (enum store_change)number_field(thread, "change"),
        .condition = (enum store_condition)number_field(thread, "condition"),
        .key = text_field(thread, &commit->arena, "key"),
        .value = text_field(thread, &commit->arena, "value"),
        .expected = text_field(thread, &commit->arena, "expected"),
        .amount = (int64_t)number_field(thread, "amount"),
    };
    if (seconds > 0)
        operation->expires_ms = (uint64_t)((loop_now(commit->loop) + seconds) * 1000);
}

static struct commit *read_list(lua_State *thread, struct loop *loop)
{
    struct commit *commit = mem_zeroed(sizeof(*commit));
    size_t count = lua_objlen(thread, 1);

    arena_init(&commit->arena);
    commit->loop = loop;
    commit->batch.done = on_done;
    commit->batch.count = count;
    commit->batch.operations =
        arena_zeroed(&commit->arena, (count + 1) * sizeof(*commit->batch.operations));
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(thread, 1, (int)i + 1);
        read_operation(thread, commit, &commit->batch.operations[i]);
        lua_pop(thread, 1);
    }
    return commit;
}

/* Raises, so that nothing later has to. */
static void check_arguments(lua_State *thread)
{
    luaL_checktype(thread, 1, LUA_TTABLE);
    size_t count = lua_objlen(thread, 1);

    luaL_argcheck(thread, count > 0 && count <= STORE_OPERATIONS_MAX, 1,
                  "a batch has 1 to 1000 operations");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(thread, 1, (int)i + 1);
        luaL_argcheck(thread, lua_istable(thread, -1), 1, "an operation is a table");
        lua_pop(thread, 1);
    }
}

/* (list of { change, key, value, condition, expected, amount, seconds }) */
static int commit_list(lua_State *thread)
{
    struct task *task = task_awaiting(thread);
    const struct generation *generation = task_generation(task);

    check_arguments(thread);
    if (generation->store == NULL)
        return luaL_error(thread, "there is no store");
    struct commit *commit = read_list(thread, generation->services->loop);
    commit->task = task;
    if (store_commit(generation->store, &commit->batch))
        return task_suspend(task, on_cancel, commit);
    commit->batch.outcome = STORE_FULL;
    int count = push_result(thread, &commit->batch);
    commit_free(commit);
    return count;
}

/* The same list, without waiting: whether it will be done. */
static int post_list(lua_State *thread)
{
    const struct generation *generation = task_generation_of(thread);

    check_arguments(thread);
    if (generation->store == NULL)
        return luaL_error(thread, "there is no store");
    struct commit *commit = read_list(thread, generation->services->loop);
    bool is_begun = store_commit(generation->store, &commit->batch);
    if (!is_begun)
        commit_free(commit);
    lua_pushboolean(thread, is_begun);
    return 1;
}

const luaL_Reg STORE_LIBRARY[] = {{"commit", commit_list}, {"post", post_list}, {NULL, NULL}};
