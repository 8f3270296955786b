/*
 * interpreter_library — what the interpreter does between pieces of compiled code: the library
 * "moongate.core.interpreter".
 */
#include <lauxlib.h>

#include "base/yielding.h"
#include "bridge/libraries.h"

static int call(lua_State *vm)
{
    lua_pushvalue(vm, lua_upvalueindex(1));
    lua_insert(vm, 1);
    lua_call(vm, lua_gettop(vm) - 1, LUA_MULTRET);
    return lua_gettop(vm);
}

/* leave(f): a function that does what f does. A trace ends where it calls it, and goes on behind
 * it: what jit.off() is said of keeps all that calls it from being compiled. */
static int leave(lua_State *vm)
{
    luaL_checktype(vm, 1, LUA_TFUNCTION);
    lua_settop(vm, 1);
    lua_pushcclosure(vm, call, 1);
    return 1;
}

/* offer(...): yielding_offer_now(), for jit.attach(). */
static int offer(lua_State *vm)
{
    yielding_offer_now();
    return 0;
}

const luaL_Reg INTERPRETER_LIBRARY[] = {{"leave", leave}, {"offer", offer}, {NULL, NULL}};
