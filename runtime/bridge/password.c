/*
 * password — salted hashes of passwords: the library "moongate.core.password".
 *
 * scrypt (RFC 7914), which takes time and memory on purpose; so it is done beside the loop, one
 * after the other, and only so many may wait: who guesses passwords holds up those who log in, not
 * the gateway. With the numbers below one takes 16 MiB and some tens of milliseconds.
 */
#include <assert.h>
#include <lauxlib.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/background.h"
#include "net/loop.h"

#define BLOCK_SIZE         8
#define PARALLEL           1
#define HASH_BYTES         32
#define SALT_BYTES_MAX     64
#define PASSWORD_BYTES_MAX 1024
#define COST_MAX           (1 << 20)
#define MEMORY_BYTES_MAX   ((uint64_t)1 << 31)
/* Of one worker; those who come beyond are told so. */
#define WAITING_MAX 64

struct hashing {
    struct background_job job;
    struct task *task; /* NULL: cancelled meanwhile */
    struct loop *loop;
    unsigned *waiting;
    char password[PASSWORD_BYTES_MAX], salt[SALT_BYTES_MAX];
    size_t password_length, salt_length;
    uint64_t cost;
    unsigned char hash[HASH_BYTES];
    bool is_done;
};

static void work(struct background_job *job)
{
    struct hashing *hashing = CONTAINER_OF(job, struct hashing, job);

    hashing->is_done =
        EVP_PBE_scrypt(hashing->password, hashing->password_length,
                       (const unsigned char *)hashing->salt, hashing->salt_length, hashing->cost,
                       BLOCK_SIZE, PARALLEL, MEMORY_BYTES_MAX, hashing->hash, HASH_BYTES) == 1;
    OPENSSL_cleanse(hashing->password, sizeof(hashing->password));
}

static void on_done(struct background_job *job)
{
    struct hashing *hashing = CONTAINER_OF(job, struct hashing, job);
    struct task *task = hashing->task;
    struct loop *loop = hashing->loop;

    --*hashing->waiting;
    if (task != NULL && hashing->is_done)
        lua_pushlstring(task_thread(task), (const char *)hashing->hash, HASH_BYTES);
    else if (task != NULL)
        lua_pushnil(task_thread(task));
    free(hashing);
    if (task != NULL)
        task_resume(task, 1);
    loop_flush(loop);
}

static void on_cancel(void *wait)
{
    struct hashing *hashing = wait;
    hashing->task = NULL;
}

/* Copies the argument; raises when it is longer than the room. */
static size_t read_text(lua_State *thread, int at, char *room, size_t room_bytes)
{
    size_t length;
    const char *text = luaL_checklstring(thread, at, &length);

    luaL_argcheck(thread, length <= room_bytes, at, "it is too long");
    if (room != NULL)
        memcpy(room, text, length);
    return length;
}

/* (password, salt, cost): the hash; nil when too many wait, or it cannot be done. */
static int hash_password(lua_State *thread)
{
    struct task *task = task_awaiting(thread);
    const struct services *services = task_generation(task)->services;
    double cost = luaL_checknumber(thread, 3);

    luaL_argcheck(thread, cost >= 2 && cost <= COST_MAX, 3, "2 to 1048576");
    read_text(thread, 1, NULL, PASSWORD_BYTES_MAX);
    read_text(thread, 2, NULL, SALT_BYTES_MAX);
    if (services->generations->hashing_count == WAITING_MAX)
        return 0;
    struct hashing *hashing = mem_zeroed(sizeof(*hashing));
    hashing->task = task;
    hashing->loop = services->loop;
    hashing->waiting = &services->generations->hashing_count;
    hashing->password_length = read_text(thread, 1, hashing->password, PASSWORD_BYTES_MAX);
    hashing->salt_length = read_text(thread, 2, hashing->salt, SALT_BYTES_MAX);
    hashing->cost = (uint64_t)cost;
    hashing->job = (struct background_job){.work = work, .done = on_done};
    ++*hashing->waiting;
    background_submit(services->hasher, &hashing->job);
    return task_suspend(task, on_cancel, hashing);
}

const luaL_Reg PASSWORD_LIBRARY[] = {{"hash", hash_password}, {NULL, NULL}};
