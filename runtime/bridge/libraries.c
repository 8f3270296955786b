/*
 * libraries — one row for each library of C-API functions.
 */
#include "bridge/libraries.h"

#include "base/mem.h"

struct library {
    const char *name;
    const luaL_Reg *functions;
};

static const struct library LIBRARIES[] = {
    {"moongate.core.body", BODY_LIBRARY},
    {"moongate.core.caller", CALLER_LIBRARY},
    {"moongate.core.config_text", CONFIG_TEXT_LIBRARY},
    {"moongate.core.digest", DIGEST_LIBRARY},
    {"moongate.core.dns", DNS_LIBRARY},
    {"moongate.core.fetch", FETCH_LIBRARY},
    {"moongate.core.file", FILE_LIBRARY},
    {"moongate.core.flight", FLIGHT_LIBRARY},
    {"moongate.core.gather", GATHER_LIBRARY},
    {"moongate.core.interpreter", INTERPRETER_LIBRARY},
    {"moongate.core.master", MASTER_LIBRARY},
    {"moongate.core.password", PASSWORD_LIBRARY},
    {"moongate.core.store", STORE_LIBRARY},
    {"moongate.core.task", TASK_LIBRARY},
};

/* The loader that require calls: the library is its upvalue. */
static int open_library(lua_State *vm)
{
    const struct library *library = lua_touserdata(vm, lua_upvalueindex(1));
    lua_newtable(vm);
    for (const luaL_Reg *function = library->functions; function->name != NULL; function++) {
        lua_pushcfunction(vm, function->func);
        lua_setfield(vm, -2, function->name);
    }
    return 1;
}

int libraries_register(lua_State *vm)
{
    lua_getglobal(vm, "package");
    lua_getfield(vm, -1, "preload");
    for (size_t i = 0; i < ARRAY_LENGTH(LIBRARIES); i++) {
        lua_pushlightuserdata(vm, (void *)&LIBRARIES[i]);
        lua_pushcclosure(vm, open_library, 1);
        lua_setfield(vm, -2, LIBRARIES[i].name);
    }
    lua_pop(vm, 2);
    return 0;
}
