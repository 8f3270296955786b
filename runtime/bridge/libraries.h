/*
 * libraries — the C-API libraries that Lua finds as "moongate.core.NAME".
 *
 * Only functions that wait are written so (see task.h), that go through tables of Lua, or that call
 * functions of Lua; what else answers at once is declared in abi.h.
 * A library is an array of functions in a file of its own and one row in libraries.c.
 */
#pragma once

#include <lauxlib.h>

extern const luaL_Reg BODY_LIBRARY[];
extern const luaL_Reg CALLER_LIBRARY[];
extern const luaL_Reg CONFIG_TEXT_LIBRARY[];
extern const luaL_Reg DIGEST_LIBRARY[];
extern const luaL_Reg DNS_LIBRARY[];
extern const luaL_Reg FETCH_LIBRARY[];
extern const luaL_Reg FILE_LIBRARY[];
extern const luaL_Reg FLIGHT_LIBRARY[];
extern const luaL_Reg GATHER_LIBRARY[];
extern const luaL_Reg INTERPRETER_LIBRARY[];
extern const luaL_Reg MASTER_LIBRARY[];
extern const luaL_Reg PASSWORD_LIBRARY[];
extern const luaL_Reg STORE_LIBRARY[];
extern const luaL_Reg TASK_LIBRARY[];

/* Puts all of them into package.preload. A lua_CFunction, too, for specs, whose states are not made
 * by vm.h. */
int libraries_register(lua_State *vm);
