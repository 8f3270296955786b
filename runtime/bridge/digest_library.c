/*
 * digest_library — values of Lua as sixteen bytes, the same for equal ones: the library
 * "moongate.core.digest".
 *
 * That of a table comes from the sum of what its pairs are hashed to: the order of its keys, which
 * differs from process to process, has no part in it.
 */
#include <assert.h>
#include <lauxlib.h>

#include "base/hash.h"
#include "bridge/libraries.h"

#define DEPTH_MAX   20
#define STACK_SLOTS 6 /* for one table, and what is asked of it */

enum kind { KIND_NIL, KIND_TRUE, KIND_FALSE, KIND_NUMBER, KIND_STRING, KIND_TABLE, KIND_OTHER };

/* A value as it is hashed: its bytes, which may be in `room`. */
struct content {
    enum kind kind;
    struct slice bytes;
    struct hash_wide room;
};

struct walk {
    lua_State *vm;
    int other; /* where on the stack the function is that tells what else is equal; 0: nowhere */
    int depth;
};

static bool sum_table(struct walk *walk, int table, int defaults, struct hash_wide *sum);

/* It is known by the kinds of what it is of, too. */
static struct hash_wide hash(enum kind kind, enum kind other_kind, struct slice one,
                             struct slice other)
{
    uint64_t kinds = (uint64_t)kind << 8 | (uint64_t)other_kind;
    struct hash_key key = {0x6d6f6f6e67617465 + kinds, 0x6f6e65206f662032};

    return hash_pair_wide(&key, one, other);
}

static void put_room(struct content *content, const void *bytes, size_t length)
{
    assert(length <= sizeof(content->room));
    memcpy(&content->room, bytes, length);
    content->bytes = slice_of((const char *)&content->room, length);
}

static struct slice slice_at(lua_State *vm, int index)
{
    size_t length;
    const char *start = lua_tolstring(vm, index, &length);
    return slice_of(start, length);
}

/* All that is no number is one. */
static void read_number(struct content *content, double number)
{
    static const double NONE = __builtin_nan("");

    content->kind = KIND_NUMBER;
    put_room(content, number != number ? &NONE : &number, sizeof(number));
}

/* What the caller says that it is equal by: a number or a text. */
static bool read_other(struct walk *walk, int index, struct content *content)
{
    if (walk->other == 0)
        return false;
    lua_pushvalue(walk->vm, walk->other);
    lua_pushvalue(walk->vm, index);
    lua_call(walk->vm, 1, 1);
    struct slice said = slice_at(walk->vm, -1);
    struct hash_wide digest = hash(KIND_OTHER, KIND_OTHER, said, SLICE(""));
    lua_pop(walk->vm, 1);
    content->kind = KIND_OTHER;
    put_room(content, &digest, sizeof(digest));
    return true;
}

static bool is_plain_table(const struct walk *walk, int index)
{
    if (walk->depth == DEPTH_MAX)
        return false;
    if (!lua_getmetatable(walk->vm, index))
        return true;
    lua_pop(walk->vm, 1);
    return false;
}

static bool read_table(struct walk *walk, int index, struct content *content)
{
    struct hash_wide sum = {0};

    if (!is_plain_table(walk, index))
        return read_other(walk, index, content);
    walk->depth++;
    bool is_told = sum_table(walk, index, 0, &sum);
    walk->depth--;
    content->kind = KIND_TABLE;
    put_room(content, &sum, sizeof(sum));
    return is_told;
}

/* The value at that place of the stack, counted from its bottom; false: it cannot be told. */
static bool read_content(struct walk *walk, int index, struct content *content)
{
    content->bytes = SLICE("");
    switch (lua_type(walk->vm, index)) {
    case LUA_TNIL:
        content->kind = KIND_NIL;
        return true;
    case LUA_TBOOLEAN:
        content->kind = lua_toboolean(walk->vm, index) ? KIND_TRUE : KIND_FALSE;
        return true;
    case LUA_TNUMBER:
        read_number(content, lua_tonumber(walk->vm, index));
        return true;
    case LUA_TSTRING:
        content->kind = KIND_STRING;
        content->bytes = slice_at(walk->vm, index);
        return true;
    case LUA_TTABLE:
        return read_table(walk, index, content);
    default:
        return read_other(walk, index, content);
    }
}

/* In a sum with a default that it takes the place of. */
static bool take_default(struct walk *walk, int defaults, const struct content *key,
                         struct hash_wide *sum)
{
    struct content content;

    lua_pushvalue(walk->vm, -2);
    lua_rawget(walk->vm, defaults);
    bool is_told = read_content(walk, lua_gettop(walk->vm), &content);
    lua_pop(walk->vm, 1);
    if (!is_told || content.kind == KIND_NIL)
        return is_told;
    struct hash_wide digest = hash(key->kind, content.kind, key->bytes, content.bytes);
    sum->low -= digest.low;
    sum->high -= digest.high;
    return true;
}

/* The pair on top of the stack. */
static bool add_pair(struct walk *walk, int defaults, struct hash_wide *sum)
{
    struct content key, value;
    int top = lua_gettop(walk->vm);

    if (!read_content(walk, top - 1, &key) || !read_content(walk, top, &value))
        return false;
    struct hash_wide digest = hash(key.kind, value.kind, key.bytes, value.bytes);
    sum->low += digest.low;
    sum->high += digest.high;
    return defaults == 0 || take_default(walk, defaults, &key, sum);
}

/* Adds all pairs of a table, without those of the defaults that they take the place of. */
static bool sum_table(struct walk *walk, int table, int defaults, struct hash_wide *sum)
{
    luaL_checkstack(walk->vm, STACK_SLOTS, "a table is nested too deeply");
    lua_pushnil(walk->vm);
    while (lua_next(walk->vm, table)) {
        if (!add_pair(walk, defaults, sum)) {
            lua_pop(walk->vm, 2);
            return false;
        }
        lua_pop(walk->vm, 1);
    }
    return true;
}

static int push(lua_State *vm, struct hash_wide digest)
{
    lua_pushlstring(vm, (const char *)&digest, sizeof(digest));
    return 1;
}

/* of(value, other?): nil where there is something in it of which other(), which is asked with
 * functions, tables with metatables and what is nested too deeply, is not there to say what it is
 * equal by. */
static int of(lua_State *vm)
{
    lua_settop(vm, 2);
    struct walk walk = {.vm = vm, .other = lua_isnil(vm, 2) ? 0 : 2};
    struct content content;

    if (!read_content(&walk, 1, &content))
        return 0;
    return push(vm, hash(content.kind, KIND_NIL, content.bytes, SLICE("")));
}

/* over(defaults, digest, options, other): of the options with those defaults that are not among
 * them; `digest` stands for the defaults. */
static int over(lua_State *vm)
{
    struct walk walk = {.vm = vm, .other = 4};
    struct hash_wide sum;
    struct slice base = slice_at(vm, 2);

    luaL_checktype(vm, 1, LUA_TTABLE);
    luaL_checktype(vm, 3, LUA_TTABLE);
    luaL_checktype(vm, 4, LUA_TFUNCTION);
    luaL_argcheck(vm, base.length == sizeof(sum), 2, "a digest expected");
    memcpy(&sum, base.start, sizeof(sum));
    sum_table(&walk, 3, 1, &sum);
    return push(vm, sum);
}

const luaL_Reg DIGEST_LIBRARY[] = {{"of", of}, {"over", over}, {NULL, NULL}};
