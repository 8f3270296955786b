/*
 * script — running the main function of a Lua module.
 */
#include "bridge/script.h"

#include <lauxlib.h>
#include <stdio.h>

#include "bridge/bundle.h"
#include "bridge/generation_private.h"
#include "bridge/vm.h"

static int on_raised(lua_State *vm)
{
    const char *message = lua_tostring(vm, 1);
    luaL_traceback(vm, vm, message != NULL ? message : "(what was raised is not a text)", 1);
    return 1;
}

static void push_arguments(lua_State *vm, const struct script_options *options)
{
    lua_createtable(vm, options->argc, 0);
    for (int i = 0; i < options->argc; i++) {
        lua_pushstring(vm, options->argv[i]);
        lua_rawseti(vm, -2, i + 1);
    }
}

static int run(lua_State *vm, struct generation *generation, const struct script_options *options)
{
    lua_pushcfunction(vm, on_raised);
    lua_getglobal(vm, "require");
    lua_pushstring(vm, options->module);
    int status = lua_pcall(vm, 1, 1, 1);
    if (status == 0) {
        lua_getfield(vm, -1, "main");
        push_arguments(vm, options);
        lua_pushlightuserdata(vm, generation);
        lua_pushstring(vm, options->plugin_root);
        status = lua_pcall(vm, 3, 1, 1);
    }
    if (status == 0)
        return (int)lua_tointeger(vm, -1);
    const char *error = lua_tostring(vm, -1);
    fprintf(stderr, "moongate: %s\n", error != NULL ? error : "?");
    return 1;
}

int script_run(const struct script_options *options)
{
    struct bundle *bundle = bundle_create();
    struct generation *generation =
        generation_begin(options->lua_root, options->plugin_root, bundle);
    vm_collect_late(generation->vm);
    int code = run(generation->vm, generation, options);
    fflush(NULL);
    generation_release(&generation);
    bundle_release(&bundle);
    return code;
}
