/*
 * modules — how `require` finds Lua files: along package.path, in the bundle that is built from.
 */
#pragma once

#include <lua.h>

struct bundle;

/* Takes the place of Lua's own searcher of files. `*bundle` is looked at with each call: while it
 * is NULL, files are read from the disk. */
void modules_register(lua_State *vm, struct bundle *const *bundle);
