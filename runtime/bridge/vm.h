/*
 * vm — one LuaJIT state with the standard libraries, ours, and where it finds modules.
 */
#pragma once

#include <lua.h>

struct bundle;

struct vm_options {
    const char *lua_root;         /* the folder that holds moongate/ */
    const char *plugin_root;      /* the folder of the bundled plugins */
    struct bundle *const *bundle; /* see modules_register() */
};

/*
 * Never NULL: memory exhaustion ends the process. C libraries of ours are modules called
 * "moongate.core.NAME"; package.plugin_root says where the bundled plugins are.
 */
lua_State *vm_create(const struct vm_options *options);
void vm_destroy(lua_State **vm);
/* For a state that ends with its process, once all has been read: time counts more than memory. */
void vm_collect_late(lua_State *vm);
/* After the configuration has been built: everything unneeded goes, and collecting from then on is
 * spread out. */
void vm_settle(lua_State *vm);
