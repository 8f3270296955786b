/*
 * succession — answers each message of the master's, when its step has been done.
 */
#include "server/succession.h"

#include <assert.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "bridge/loader.h"
#include "net/resolver.h"

enum step { STEP_NONE, STEP_BUILDING, STEP_FAILED, STEP_BUILT, STEP_STARTING, STEP_STARTED };

struct succession {
    struct succession_options options;
    enum step step;
    uint64_t number;         /* of the generation that is on its way */
    struct loader *loader;   /* while it is being built */
    struct generation *next; /* from STEP_BUILT on */
    int fds[PLAN_LISTENERS_MAX];
    size_t fd_count;
};

struct succession *succession_create(const struct succession_options *options)
{
    struct succession *succession = mem_zeroed(sizeof(*succession));
    succession->options = *options;
    return succession;
}

static void answer(const struct succession *succession, enum channel_kind kind, struct slice errors)
{
    struct channel_message message = {
        .kind = kind, .ok = errors.length == 0, .generation = succession->number, .text = errors};
    if (!channel_send(succession->options.channel, &message))
        log_write(LOG_WARNING, "the master does not hear how generation %llu does",
                  (unsigned long long)succession->number);
}

static void abandon(struct succession *succession)
{
    switch (succession->step) {
    case STEP_NONE:
        return;
    case STEP_BUILDING:
        loader_abandon(&succession->loader);
        break;
    case STEP_FAILED: /* it is gone, its sockets are not */
        break;
    case STEP_BUILT:
        generation_discard(&succession->next, succession->options.services->background);
        break;
    case STEP_STARTING:
    case STEP_STARTED:
        generation_retire(&succession->next);
        break;
    }
    for (size_t i = 0; i < succession->fd_count; i++)
        close(succession->fds[i]);
    succession->fd_count = 0;
    succession->step = STEP_NONE;
}

void succession_destroy(struct succession **succession)
{
    abandon(*succession);
    free(*succession);
    *succession = NULL;
}

static size_t new_listeners(const struct plan *from, const struct plan *to)
{
    size_t places[PLAN_LISTENERS_MAX], count = 0;

    plan_match_listeners(from, to, places);
    for (size_t i = 0; i < to->listener_count; i++)
        count += places[i] == PLAN_LISTENER_NEW;
    return count;
}

static void on_built(void *data, struct generation *generation, struct slice errors)
{
    struct succession *succession = data;

    const struct plan *plan = succession->options.plan;

    succession->loader = NULL;
    succession->next = generation;
    succession->step = generation != NULL ? STEP_BUILT : STEP_FAILED;
    if (generation != NULL &&
        new_listeners(plan, generation_plan(generation)) != succession->fd_count)
        errors = SLICE("there is not a socket for each new listener\n");
    answer(succession, CHANNEL_BUILT, errors);
}

/* Empty: nothing is in the way. */
static struct slice why_not_build(const struct succession *succession, int bundle_fd)
{
    if (bundle_fd < 0)
        return SLICE("a worker has no descriptors left\n");
    if (succession->options.services->generations->alive >= GENERATIONS_ALIVE_MAX)
        return SLICE("requests still run on too many earlier generations; try again when some of "
                     "them have ended\n");
    return SLICE("");
}

static void build(struct succession *succession, struct channel_message *message)
{
    struct loader_options options = {
        .background = succession->options.services->background,
        .config_path = succession->options.config_path,
        .lua_root = succession->options.installation->lua_root,
        .plugin_root = succession->options.installation->plugin_root,
        .number = message->generation,
        .shared = succession->options.services->shared,
        .bundle_fd = channel_message_take(message, 0),
        .built = on_built,
        .data = succession,
    };

    abandon(succession);
    succession->number = message->generation;
    struct slice obstacle = why_not_build(succession, options.bundle_fd);
    if (obstacle.length > 0) {
        answer(succession, CHANNEL_BUILT, obstacle);
        if (options.bundle_fd >= 0)
            close(options.bundle_fd);
        return;
    }
    for (size_t i = 1; i < message->fd_count; i++)
        succession->fds[succession->fd_count++] = channel_message_take(message, i);
    succession->loader = loader_start(&options);
    succession->step = STEP_BUILDING;
}

static void on_started(void *data, struct slice error)
{
    struct succession *succession = data;
    char text[CHANNEL_TEXT_BYTES_MAX];

    succession->step = STEP_STARTED;
    answer(succession, CHANNEL_STARTED, channel_line(error, text));
}

static void start(struct succession *succession)
{
    const struct services *services = succession->options.services;
    const struct resolver_options *resolver = generation_resolver_options(succession->next);

    if (!resolver_prepare(services->resolver, resolver)) {
        answer(succession, CHANNEL_STARTED, SLICE("the resolver's servers cannot be read\n"));
        return;
    }
    succession->step = STEP_STARTING;
    generation_start(succession->next, services, on_started, succession);
}

static void swap(struct succession *succession)
{
    struct generation *next = succession->next;

    succession->step = STEP_NONE;
    succession->next = NULL;
    succession->fd_count = 0;
    succession->options.swap(succession->options.data, next, succession->fds);
    answer(succession, CHANNEL_SWAPPED, SLICE(""));
}

/* A step that does not follow on the one before is of a reload that was abandoned. */
void succession_on_message(struct succession *succession, struct channel_message *message)
{
    bool is_ours = message->generation == succession->number;

    if (message->kind == CHANNEL_BUILD)
        build(succession, message);
    else if (message->kind == CHANNEL_START && is_ours && succession->step == STEP_BUILT)
        start(succession);
    else if (message->kind == CHANNEL_SWAP && is_ours && succession->step == STEP_STARTED)
        swap(succession);
    else if (message->kind == CHANNEL_ABANDON && is_ours)
        abandon(succession);
}
