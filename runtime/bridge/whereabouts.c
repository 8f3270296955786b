/*
 * whereabouts — stores for the master's eyes, and a hook that writes down lines.
 */
#include "bridge/whereabouts.h"

#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "bridge/task.h"
#include "gateway/exchange.h"
#include "shm/worker_board.h"

/* Of the functions that call one another. */
#define LEVELS_MAX 4

/* Whose Lua runs in this process: a signal's handler is told nothing. */
static const struct tasks *running;

static size_t put_level(lua_State *thread, int level, char *text, size_t room)
{
    lua_Debug activation;

    if (!lua_getstack(thread, level, &activation) || !lua_getinfo(thread, "Sl", &activation) ||
        activation.currentline < 0)
        return 0;
    int length = snprintf(text, room, "%s%s:%d", level > 0 ? " < " : "", activation.short_src,
                          activation.currentline);
    return (size_t)length < room ? (size_t)length : room - 1;
}

/* Lua is between two instructions. */
static void on_hook(lua_State *thread, lua_Debug *activation)
{
    char text[WORKER_PLACE_LINES_BYTES];
    size_t length = 0;
    const struct tasks *tasks = __atomic_load_n(&running, __ATOMIC_RELAXED);

    lua_sethook(thread, NULL, 0, 0);
    if (tasks == NULL)
        return;
    for (int level = 0; level < LEVELS_MAX; level++)
        length += put_level(thread, level, text + length, sizeof(text) - length);
    worker_place_set_lines(tasks->place, slice_of(text, length));
}

/* All that may be done here with a Lua state, which may be in the middle of anything. */
static void on_asked(int signal_number)
{
    const struct tasks *tasks = __atomic_load_n(&running, __ATOMIC_RELAXED);
    if (tasks != NULL)
        lua_sethook(tasks->vm, on_hook, LUA_MASKCOUNT, 1);
}

void whereabouts_tell_lines(void)
{
    struct sigaction action = {.sa_handler = on_asked, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(WHEREABOUTS_SIGNAL, &action, NULL);
}

/* Another generation may have another route in the memory of an earlier one's. */
static void show_generation(const struct tasks *tasks)
{
    if (tasks->place->generation == tasks->number)
        return;
    worker_place_set_route(tasks->place, 0, SLICE_NONE);
    __atomic_store_n(&tasks->place->generation, tasks->number, __ATOMIC_RELAXED);
}

void whereabouts_show(const struct tasks *tasks, const struct exchange *exchange, uint32_t step)
{
    const struct route *route = exchange != NULL ? exchange->route : NULL;

    show_generation(tasks);
    worker_place_set_route(tasks->place, (uintptr_t)route,
                           route != NULL ? route->name : SLICE_NONE);
    worker_place_set_step(tasks->place, step);
    __atomic_store_n(&running, tasks, __ATOMIC_RELAXED);
}

void whereabouts_hide(const struct tasks *tasks)
{
    worker_place_set_step(tasks->place, WORKER_STEP(WORKER_PHASE_NONE, 0));
    __atomic_store_n(&running, NULL, __ATOMIC_RELAXED);
}
