/*
 * vm — making, settling and closing a LuaJIT state.
 */
#include "bridge/vm.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <stdlib.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/yielding.h"
#include "bridge/libraries.h"
#include "bridge/modules.h"

/* In percent: how much the heap may grow until a cycle begins, how fast one goes on. With
 * 100,000 routes of key-auth and rate-limit 140 held 147 MB and took 1.84 s of CPU, 160 held 153 MB
 * and took 1.53 s, 180 held 165 MB and took 1.63 s. */
#define BUILDING_PAUSE 160
#define BUILDING_STEPS 1000
/* Where no holes will be left, since nothing stays. */
#define LATE_PAUSE 400

/* Of what the collector knew while building; in the registry. */
#define WITNESS "moongate witness"

static void *resize(void *heap, void *memory, size_t bytes, size_t wanted)
{
    yielding_offer();
    return heap_resize(heap, memory, bytes, wanted);
}

static int on_panic(lua_State *vm)
{
    const char *message = lua_tostring(vm, -1);
    log_write(LOG_ERROR, "Lua raised outside of a task: %s", message != NULL ? message : "?");
    log_stop();
    abort();
}

/* Appends ROOT/?.lua;ROOT/?/init.lua; to the string on top of the stack. */
static void add_root(lua_State *vm, const char *root)
{
    lua_pushfstring(vm, "%s/?.lua;%s/?/init.lua;", root, root);
    lua_concat(vm, 2);
}

static void set_paths(lua_State *vm, const struct vm_options *options)
{
    lua_getglobal(vm, "package");
    lua_pushliteral(vm, "");
    add_root(vm, options->lua_root);
    lua_setfield(vm, -2, "path");
    lua_pushliteral(vm, MOONGATE_LUA_CPATH "/?.so");
    lua_setfield(vm, -2, "cpath");

    lua_pushstring(vm, options->plugin_root);
    lua_setfield(vm, -2, "plugin_root");
    lua_pop(vm, 1);
}

lua_State *vm_create(const struct vm_options *options)
{
    struct heap *heap = heap_create();
    lua_State *vm = lua_newstate(resize, heap);
    if (vm == NULL) {
        log_write(LOG_ERROR, "out of memory");
        abort();
    }
    lua_atpanic(vm, on_panic);
    lua_gc(vm, LUA_GCSTOP, 0);
    luaL_openlibs(vm);
    set_paths(vm, options);
    libraries_register(vm);
    modules_register(vm, options->bundle);
    lua_newtable(vm);
    lua_setfield(vm, LUA_REGISTRYINDEX, WITNESS);
    lua_gc(vm, LUA_GCRESTART, 0);
    /* Building makes garbage for each route, between things that stay: what is collected late
     * leaves holes for good. */
    lua_gc(vm, LUA_GCSETPAUSE, BUILDING_PAUSE);
    lua_gc(vm, LUA_GCSETSTEPMUL, BUILDING_STEPS);
    return vm;
}

void vm_destroy(lua_State **vm)
{
    void *data;

    lua_getallocf(*vm, &data);
    struct heap *heap = data;
    heap_end(heap);
    lua_close(*vm);
    heap_destroy(&heap);
    *vm = NULL;
}

void vm_collect_late(lua_State *vm)
{
    lua_gc(vm, LUA_GCSETPAUSE, LATE_PAUSE);
}

static void end_cycle(lua_State *vm)
{
    while (lua_gc(vm, LUA_GCSTEP, 0) == 0)
        yielding_offer();
}

/* Moves the witness from the registry to the stack, in a table that does not keep it. */
static void push_witness(lua_State *vm)
{
    lua_createtable(vm, 1, 0);
    lua_createtable(vm, 0, 1);
    lua_pushliteral(vm, "v");
    lua_setfield(vm, -2, "__mode");
    lua_setmetatable(vm, -2);
    lua_getfield(vm, LUA_REGISTRYINDEX, WITNESS);
    lua_rawseti(vm, -2, 1);
    lua_pushnil(vm);
    lua_setfield(vm, LUA_REGISTRYINDEX, WITNESS);
}

/*
 * A cycle that had begun before does not find all that is garbage now: then the witness, which was
 * in reach as it began, is there when it has ended, and another one follows.
 */
static void collect(lua_State *vm)
{
    push_witness(vm);
    end_cycle(vm);
    lua_rawgeti(vm, -1, 1);
    bool had_begun = !lua_isnil(vm, -1);
    lua_pop(vm, 2);
    if (had_begun)
        end_cycle(vm);
}

/*
 * A cycle begins when the heap has doubled, and each step of it does four times what was allocated:
 * short steps, and a cycle that surely ends before the heap doubles again.
 */
void vm_settle(lua_State *vm)
{
    void *heap;

    collect(vm);
    lua_getallocf(vm, &heap);
    heap_trim(heap);
    lua_gc(vm, LUA_GCSETPAUSE, 200);
    lua_gc(vm, LUA_GCSETSTEPMUL, 400);
}
