/*
 * reload — a step is over when all who take part have answered it.
 */
#include "server/reload.h"

#include <assert.h>
#include <stdio.h>

void reload_init(struct reload *reload, unsigned worker_count, const struct reload_events *events)
{
    assert(worker_count <= RELOAD_WORKERS_MAX);
    *reload = (struct reload){.events = *events, .worker_count = worker_count};
}

static bool tell(struct reload *reload, unsigned worker, enum channel_kind kind)
{
    struct channel_message message = {.kind = kind, .generation = reload->generation};
    return reload->events.send(reload->events.data, worker, &message);
}

static void end(struct reload *reload, struct slice errors)
{
    reload->step = RELOAD_NONE;
    reload->events.ended(reload->events.data, errors);
}

/* Before the decision: all stay as they are. */
static void abandon(struct reload *reload, struct slice errors)
{
    assert(reload->step == RELOAD_BUILDING || reload->step == RELOAD_STARTING);
    for (unsigned i = 0; i < reload->worker_count; i++) {
        if (reload->was_told[i])
            tell(reload, i, CHANNEL_ABANDON);
    }
    end(reload, errors);
}

static void fail(struct reload *reload, unsigned worker, const char *what)
{
    char text[128];
    int length = snprintf(text, sizeof(text), "worker %u %s\n", worker + 1, what);

    abandon(reload, slice_of(text, (size_t)length));
}

static bool is_anybody_left(const struct reload *reload)
{
    for (unsigned i = 0; i < reload->worker_count; i++) {
        if (reload->takes_part[i])
            return true;
    }
    return false;
}

static void leave_behind(struct reload *reload, unsigned worker)
{
    reload->takes_part[worker] = false;
    reload->events.left_behind(reload->events.data, worker);
}

static bool is_step_over(const struct reload *reload)
{
    for (unsigned i = 0; i < reload->worker_count; i++) {
        if (reload->takes_part[i] && !reload->has_answered[i])
            return false;
    }
    return true;
}

/* Whom it does not reach after the decision is left behind; before, it has no say any more, as who
 * dies has not. */
static void begin_step(struct reload *reload, enum reload_step step, enum channel_kind kind)
{
    unsigned lost = 0;

    reload->step = step;
    for (unsigned i = 0; i < reload->worker_count; i++) {
        reload->has_answered[i] = false;
        if (!reload->takes_part[i] || tell(reload, i, kind))
            continue;
        if (step == RELOAD_SWAPPING)
            leave_behind(reload, i);
        reload->takes_part[i] = false;
        lost = i;
    }
    if (step != RELOAD_SWAPPING && !is_anybody_left(reload))
        fail(reload, lost, "cannot be reached");
}

static void decide(struct reload *reload)
{
    bool is_at_once = reload->events.decided(reload->events.data);

    for (unsigned i = 0; i < reload->worker_count; i++) {
        if (!reload->takes_part[i])
            leave_behind(reload, i);
    }
    if (is_at_once)
        begin_step(reload, RELOAD_SWAPPING, CHANNEL_SWAP);
    else
        reload->step = RELOAD_WAITING;
}

static void go_on(struct reload *reload)
{
    if (!is_step_over(reload))
        return;
    switch (reload->step) {
    case RELOAD_BUILDING:
        begin_step(reload, RELOAD_STARTING, CHANNEL_START);
        break;
    case RELOAD_STARTING:
        decide(reload);
        if (reload->step == RELOAD_SWAPPING)
            go_on(reload); /* when nobody is left to answer */
        break;
    case RELOAD_SWAPPING:
        end(reload, SLICE(""));
        break;
    case RELOAD_WAITING:
    case RELOAD_NONE:
        break;
    }
}

bool reload_begin(struct reload *reload, uint64_t generation)
{
    assert(reload->step == RELOAD_NONE);
    reload->generation = generation;
    reload->is_suspect = false;
    for (unsigned i = 0; i < reload->worker_count; i++) {
        reload->takes_part[i] = reload->events.is_serving(reload->events.data, i);
        reload->was_told[i] = reload->takes_part[i];
    }
    if (is_anybody_left(reload)) {
        begin_step(reload, RELOAD_BUILDING, CHANNEL_BUILD);
    } else if (reload->events.is_failing(reload->events.data)) {
        decide(reload);
        go_on(reload);
    } else {
        end(reload, SLICE("no worker serves at this moment\n"));
    }
    return reload->step != RELOAD_NONE;
}

static enum channel_kind answer_to(enum reload_step step)
{
    switch (step) {
    case RELOAD_BUILDING:
        return CHANNEL_BUILT;
    case RELOAD_STARTING:
        return CHANNEL_STARTED;
    case RELOAD_SWAPPING:
        return CHANNEL_SWAPPED;
    case RELOAD_WAITING:
    case RELOAD_NONE:
        break;
    }
    return CHANNEL_KIND_COUNT;
}

void reload_on_message(struct reload *reload, unsigned worker,
                       const struct channel_message *message)
{
    if (message->kind != answer_to(reload->step) || message->generation != reload->generation ||
        !reload->takes_part[worker])
        return;
    if (!message->ok && reload->step != RELOAD_SWAPPING) {
        abandon(reload, message->text.length > 0 ? message->text : SLICE("(no reason given)\n"));
        return;
    }
    reload->has_answered[worker] = true;
    go_on(reload);
}

void reload_on_death(struct reload *reload, unsigned worker)
{
    if (reload->step == RELOAD_NONE || !reload->takes_part[worker])
        return;
    reload->takes_part[worker] = reload->was_told[worker] = false;
    if (reload->step == RELOAD_WAITING)
        return;
    if (reload->step == RELOAD_SWAPPING || is_anybody_left(reload)) {
        go_on(reload); /* its successor will run the new one */
        return;
    }
    reload->is_suspect = true;
    fail(reload, worker, "has ended meanwhile, as all have");
}

static void swap_now(struct reload *reload)
{
    begin_step(reload, RELOAD_SWAPPING, CHANNEL_SWAP);
    go_on(reload);
}

void reload_on_late(struct reload *reload)
{
    unsigned late = 0;

    if (reload->step == RELOAD_NONE)
        return;
    if (reload->step == RELOAD_WAITING) {
        swap_now(reload);
        return;
    }
    for (unsigned i = 0; i < reload->worker_count; i++) {
        if (!reload->takes_part[i] || reload->has_answered[i])
            continue;
        late = i;
        if (reload->step == RELOAD_SWAPPING)
            leave_behind(reload, i);
    }
    if (reload->step == RELOAD_SWAPPING) {
        go_on(reload);
        return;
    }
    reload->is_suspect = true;
    fail(reload, late,
         reload->step == RELOAD_BUILDING ? "took too long to build it"
                                         : "took too long to start it");
}

double reload_seconds_max(const struct reload *reload)
{
    switch (reload->step) {
    case RELOAD_BUILDING:
        return RELOAD_BUILD_SECONDS_MAX;
    case RELOAD_STARTING:
        return RELOAD_START_SECONDS_MAX;
    case RELOAD_WAITING:
        return RELOAD_WAIT_SECONDS;
    case RELOAD_SWAPPING:
        return RELOAD_SWAP_SECONDS_MAX;
    case RELOAD_NONE:
        break;
    }
    return 0;
}
