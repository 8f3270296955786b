/*
 * file_library — files that are read while the gateway serves, beside the loop: the library
 * "moongate.core.file".
 *
 * A file may be on a mount that hangs. So they have a thread of their own, nobody waits for longer
 * than is said, and nothing is put behind a reading that takes longer.
 */
#include <errno.h>
#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_content.h"
#include "base/mem.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/background.h"
#include "net/timeout.h"

/* Device, inode, size, time of the last change in nanoseconds. */
#define STAMP_BYTES    96
#define PATH_BYTES_MAX 4096

struct reading {
    struct background_job job;
    struct task *task; /* NULL: nobody waits for it any more */
    struct loop *loop;
    struct timeout *patience; /* NULL: it is over */
    unsigned *under_way;      /* of the worker: how many there are */
    unsigned *hanging;        /* ... and for how many of them it is */
    char path[PATH_BYTES_MAX], stamp[STAMP_BYTES];
    size_t bytes_max, length;
    char *bytes; /* NULL: it is as it was, or there is an error */
    int error;
};

/* Through symlinks: of what is at the end of them. */
static int take_stamp(const char *path, char stamp[STAMP_BYTES])
{
    struct stat file;

    if (stat(path, &file) != 0)
        return errno;
    if (!S_ISREG(file.st_mode))
        return S_ISDIR(file.st_mode) ? EISDIR : EINVAL;
    snprintf(stamp, STAMP_BYTES, "%llx:%llx:%llx:%lld.%09ld", (unsigned long long)file.st_dev,
             (unsigned long long)file.st_ino, (unsigned long long)file.st_size,
             (long long)file.st_mtim.tv_sec, file.st_mtim.tv_nsec);
    return 0;
}

/* The stamp is of before it is read: what changes meanwhile is seen next time. */
static void work(struct background_job *job)
{
    struct reading *reading = CONTAINER_OF(job, struct reading, job);
    char stamp[STAMP_BYTES];

    reading->error = take_stamp(reading->path, stamp);
    if (reading->error != 0 || strcmp(stamp, reading->stamp) == 0)
        return;
    memcpy(reading->stamp, stamp, sizeof(stamp));
    reading->error =
        file_content_read(reading->path, reading->bytes_max, &reading->bytes, &reading->length);
}

/* content, stamp; false: as it was; nil, why. */
static int push_result(lua_State *thread, const struct reading *reading)
{
    if (reading->error != 0) {
        lua_pushnil(thread);
        lua_pushstring(thread, strerrordesc_np(reading->error));
    } else if (reading->bytes == NULL) {
        lua_pushboolean(thread, false);
        lua_pushnil(thread);
    } else {
        lua_pushlstring(thread, reading->bytes, reading->length);
        lua_pushstring(thread, reading->stamp);
    }
    return 2;
}

static void on_done(struct background_job *job)
{
    struct reading *reading = CONTAINER_OF(job, struct reading, job);
    struct task *task = reading->task;
    struct loop *loop = reading->loop;
    int count = task != NULL ? push_result(task_thread(task), reading) : 0;

    if (reading->patience != NULL)
        timeout_release(&reading->patience);
    else
        --*reading->hanging;
    --*reading->under_way;
    free(reading->bytes);
    free(reading);
    if (task != NULL)
        task_resume(task, count);
    loop_flush(loop);
}

static void on_cancel(void *wait)
{
    struct reading *reading = wait;
    reading->task = NULL;
}

static void on_patience_over(void *data)
{
    struct reading *reading = data;
    struct task *task = reading->task;
    struct loop *loop = reading->loop;

    reading->task = NULL;
    timeout_release(&reading->patience);
    ++*reading->hanging;
    if (task == NULL)
        return;
    lua_pushnil(task_thread(task));
    lua_pushliteral(task_thread(task), "reading it does not end");
    task_resume(task, 2);
    loop_flush(loop);
}

/* (path, bytes_max, stamp of what is known, or "", seconds): see push_result(). */
static int read_changed(lua_State *thread)
{
    size_t path_length, stamp_length;
    const char *path = luaL_checklstring(thread, 1, &path_length);
    double bytes_max = luaL_checknumber(thread, 2);
    const char *stamp = luaL_checklstring(thread, 3, &stamp_length);

    luaL_argcheck(thread, path_length < PATH_BYTES_MAX, 1, "it is too long");
    luaL_argcheck(thread, bytes_max > 0 && bytes_max <= UINT32_MAX, 2, "no size");
    luaL_argcheck(thread, stamp_length < STAMP_BYTES, 3, "it is too long");
    double seconds = luaL_checknumber(thread, 4);
    luaL_argcheck(thread, seconds > 0, 4, "no time");
    struct task *task = task_awaiting(thread);
    const struct services *services = task_generation(task)->services;
    unsigned *hanging = &services->generations->hanging_count;

    if (*hanging > 0) {
        lua_pushnil(thread);
        lua_pushliteral(thread, "reading a file before it has not ended");
        return 2;
    }
    struct reading *reading = mem_zeroed(sizeof(*reading));
    reading->task = task;
    reading->loop = services->loop;
    reading->hanging = hanging;
    reading->under_way = &services->generations->reading_count;
    ++*reading->under_way;
    reading->patience = timeout_acquire(services->loop, on_patience_over, reading);
    timeout_set(reading->patience, seconds);
    memcpy(reading->path, path, path_length);
    memcpy(reading->stamp, stamp, stamp_length);
    reading->bytes_max = (size_t)bytes_max;
    reading->job = (struct background_job){.work = work, .done = on_done};
    background_submit(services->reader, &reading->job);
    return task_suspend(task, on_cancel, reading);
}

const luaL_Reg FILE_LIBRARY[] = {{"read_changed", read_changed}, {NULL, NULL}};
