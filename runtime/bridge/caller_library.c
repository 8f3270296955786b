/*
 * caller_library — which line of Lua called: the library "moongate.core.caller".
 *
 * A configuration asks for each of its routes; debug.getinfo() makes a table for every answer.
 */
#include <lauxlib.h>

#include "bridge/libraries.h"

/* (level), as debug.getinfo() counts them: source, line; nothing where there is no such level. */
static int caller_line(lua_State *vm)
{
    lua_Debug activation;

    if (!lua_getstack(vm, luaL_checkint(vm, 1), &activation))
        return 0;
    lua_getinfo(vm, "Sl", &activation);
    lua_pushstring(vm, activation.source);
    lua_pushinteger(vm, activation.currentline);
    return 2;
}

const luaL_Reg CALLER_LIBRARY[] = {{"line", caller_line}, {NULL, NULL}};
