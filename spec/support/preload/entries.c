/*
 * entries — counts how often a process enters Lua as it serves, in the file that LUA_ENTRIES names:
 * 8 bytes that all processes add to. Loaded before LuaJIT.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <lua.h>

static uint64_t *counter(void)
{
    static uint64_t *mapped;
    static uint64_t nowhere;

    if (mapped != NULL)
        return mapped;
    const char *path = getenv("LUA_ENTRIES");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *map = mmap(NULL, sizeof(*mapped), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return mapped = map != MAP_FAILED ? map : &nowhere;
}

int lua_resume(lua_State *thread, int arguments)
{
    static int (*resume)(lua_State *, int);

    if (resume == NULL)
        *(void **)&resume = dlsym(RTLD_NEXT, "lua_resume");
    __atomic_fetch_add(counter(), 1, __ATOMIC_RELAXED);
    return resume(thread, arguments);
}
