/*
 * config_text — a second reading in the background, of which the text alone is kept.
 *
 * Whoever asks while one is made for the generation waits for the same.
 */
#include "bridge/config_text.h"

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "bridge/bundle.h"
#include "bridge/generation_private.h"
#include "bridge/libraries.h"
#include "net/background.h"

/* So many may wait for one: each gets it in the same turn of the loop. */
#define WAITING_MAX 16

struct config_text {
    struct background_job job;
    struct generation *generation; /* NULL: it has ended */
    const struct services *services;
    struct list waiting;
    atomic_uint waiting_count; /* the thread looks whether anybody does */
    struct bundle *bundle;     /* one of its own, since all who wait may go */
    struct buffer text;
    char error[256];
    bool is_tried, is_built;
};

struct config_wait {
    struct list node;
    struct config_text *text;
    struct task *task;
};

void config_text_add(struct buffer **text, struct slice piece)
{
    if (*text == NULL || buffer_append(*text, piece))
        return;
    buffer_clear(*text);
    *text = NULL;
}

static void on_error(void *data, struct slice error)
{
    struct config_text *text = data;

    if (text->error[0] == '\0')
        snprintf(text->error, sizeof(text->error), "%.*s", SLICE_FORMAT(error));
}

static void work(struct background_job *job)
{
    struct config_text *text = CONTAINER_OF(job, struct config_text, job);
    const struct services *services = text->services;
    struct generation_options options = {.config_path = services->config_path,
                                         .bundle = text->bundle,
                                         .shown = &text->text,
                                         .lua_root = services->lua_root,
                                         .plugin_root = services->plugin_root,
                                         .on_error = on_error,
                                         .on_error_data = text};

    if (atomic_load(&text->waiting_count) == 0)
        return;
    text->is_tried = true;
    struct generation *built = generation_build(&options);
    text->is_built = built != NULL;
    if (built != NULL)
        generation_release(&built);
}

static void config_text_free(struct config_text *text)
{
    bundle_release(&text->bundle);
    buffer_clear(&text->text);
    free(text);
}

void config_text_end(struct generation *generation)
{
    if (generation->config_text != NULL)
        generation->config_text->generation = NULL;
    generation->config_text = NULL;
}

static void wait_end(struct config_wait *wait)
{
    list_remove(&wait->node);
    atomic_fetch_sub(&wait->text->waiting_count, 1);
    free(wait);
}

static void on_cancel(void *wait)
{
    wait_end(wait);
}

/* Onto the main stack: the text, or nil, and nil or why there is none. */
static void push_result(lua_State *vm, const struct config_text *text)
{
    struct slice shown = buffer_slice(&text->text);

    if (text->is_built && shown.length > 0) {
        lua_pushlstring(vm, shown.start, shown.length);
        lua_pushnil(vm);
        return;
    }
    lua_pushnil(vm);
    lua_pushstring(vm, text->is_built
                           ? "The configuration is too large to be shown: more than 256 MiB."
                           : "The configuration cannot be read again; the log says why.");
}

/* All who wait are tasks of one state, in which the text is once. */
static void tell_all(struct config_text *text, struct generation *generation)
{
    lua_State *vm = generation->vm;

    push_result(vm, text);
    int first = lua_gettop(vm) - 1;
    while (!list_is_empty(&text->waiting)) {
        struct config_wait *wait = CONTAINER_OF(text->waiting.next, struct config_wait, node);
        struct task *task = wait->task;
        wait_end(wait);
        lua_pushvalue(vm, first);
        lua_pushvalue(vm, first + 1);
        lua_xmove(vm, task_thread(task), 2);
        task_resume(task, 2);
    }
    lua_settop(vm, first - 1);
}

static void done(struct background_job *job)
{
    struct config_text *text = CONTAINER_OF(job, struct config_text, job);
    struct generation *generation = text->generation;

    if (generation != NULL && !text->is_tried && text->waiting_count > 0) {
        background_submit(text->services->background, &text->job);
        return;
    }
    if (text->error[0] != '\0')
        log_write(LOG_ERROR, "the configuration that serves cannot be read again, for /config: %s",
                  text->error);
    if (generation != NULL) {
        generation_acquire(generation);
        config_text_end(generation); /* who asks from now on waits for another one */
        tell_all(text, generation);
        generation_release(&generation);
    }
    config_text_free(text);
}

static struct config_text *begin(struct generation *generation)
{
    struct config_text *text = mem_zeroed(sizeof(*text));

    text->job = (struct background_job){.work = work, .done = done};
    text->generation = generation;
    text->services = generation->services;
    list_init(&text->waiting);
    atomic_init(&text->waiting_count, 0);
    text->bundle = bundle_acquire(generation->kept);
    buffer_init(&text->text, CONFIG_TEXT_BYTES_MAX, NULL);
    generation->config_text = text;
    background_submit(generation->services->background, &text->job);
    return text;
}

/* (): the text; or nil, and why there is none. */
static int read_again(lua_State *thread)
{
    struct task *task = task_awaiting(thread);
    struct generation *generation = task_generation(task);

    if (generation->kept == NULL)
        return luaL_error(thread, "there is no admin listener");
    struct config_text *text =
        generation->config_text != NULL ? generation->config_text : begin(generation);
    if (text->waiting_count == WAITING_MAX) {
        lua_pushnil(thread);
        lua_pushliteral(thread, "Too many wait for the configuration already.");
        return 2;
    }
    struct config_wait *wait = mem_zeroed(sizeof(*wait));
    wait->text = text;
    wait->task = task;
    list_push_back(&text->waiting, &wait->node);
    atomic_fetch_add(&text->waiting_count, 1);
    return task_suspend(task, on_cancel, wait);
}

const luaL_Reg CONFIG_TEXT_LIBRARY[] = {{"read", read_again}, {NULL, NULL}};
