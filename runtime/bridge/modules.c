/*
 * modules — a searcher in package.loaders, as Lua's own but for where the bytes come from.
 */
#include "bridge/modules.h"

#include <errno.h>
#include <lauxlib.h>

#include "bridge/bundle.h"

/* Where Lua's own stands: behind the preloaded modules, before those in C. */
#define SEARCHER 2

static struct slice text_at(lua_State *vm, int at)
{
    struct slice text;
    text.start = lua_tolstring(vm, at, &text.length);
    return text;
}

/* Pushes the chunk of the path at `at`, or what is wrong with it. Raises nothing: a bundle may be
 * open. */
static int load(lua_State *vm, struct bundle *bundle, int at, int *error)
{
    struct slice text;

    *error = bundle_read(bundle, text_at(vm, at), &text);
    if (*error != 0)
        return 0;
    return luaL_loadbuffer(vm, text.start, text.length, lua_tostring(vm, -1));
}

static int read_and_load(lua_State *vm, int at, int *error)
{
    struct bundle *const *building = lua_touserdata(vm, lua_upvalueindex(1));

    lua_pushfstring(vm, "@%s", lua_tostring(vm, at));
    if (*building != NULL)
        return load(vm, *building, at, error);
    struct bundle *bundle = bundle_create();
    int status = load(vm, bundle, at, error);
    bundle_release(&bundle);
    return status;
}

/* The next template of package.path, which is taken off `rest`. */
static bool next_template(struct slice *rest, struct slice *template)
{
    while (rest->length > 0) {
        *template = slice_of(rest->start, slice_find(*rest, ';'));
        bool is_last = template->length == rest->length;
        *rest = slice_after(*rest, template->length + (is_last ? 0 : 1));
        if (template->length > 0)
            return true;
    }
    return false;
}

/* Pushes where a module would be. */
static void push_path(lua_State *vm, struct slice template, const char *module)
{
    const char *name = luaL_gsub(vm, module, ".", "/");
    lua_pushlstring(vm, template.start, template.length);
    luaL_gsub(vm, lua_tostring(vm, -1), "?", name);
    lua_replace(vm, -3);
    lua_pop(vm, 1);
}

/* (name) -> its chunk, or a text that says where it is not. */
static int search(lua_State *vm)
{
    const char *module = luaL_checkstring(vm, 1);
    struct slice template, rest;

    lua_settop(vm, 1);
    lua_getglobal(vm, "package");
    lua_getfield(vm, 2, "path");
    if (!lua_isstring(vm, 3))
        return luaL_error(vm, "package.path must be a string");
    rest = text_at(vm, 3);
    lua_pushliteral(vm, ""); /* at 4: where it is not */
    while (next_template(&rest, &template)) {
        int error = 0;
        push_path(vm, template, module); /* at 5; at 6 it is with @, at 7 what was loaded */
        int status = read_and_load(vm, 5, &error);
        if (status != 0)
            return luaL_error(vm, "error loading module '%s' from file '%s':\n\t%s", module,
                              lua_tostring(vm, 5), lua_tostring(vm, -1));
        if (error == 0)
            return 1;
        lua_pushfstring(vm, "%s\n\tno file '%s'", lua_tostring(vm, 4), lua_tostring(vm, 5));
        lua_replace(vm, 4);
        lua_settop(vm, 4);
    }
    return 1;
}

void modules_register(lua_State *vm, struct bundle *const *bundle)
{
    lua_getglobal(vm, "package");
    lua_getfield(vm, -1, "loaders");
    lua_pushlightuserdata(vm, (void *)bundle);
    lua_pushcclosure(vm, search, 1);
    lua_rawseti(vm, -2, SEARCHER);
    lua_pop(vm, 2);
}
