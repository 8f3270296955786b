/*
 * history — keeping the last of each.
 */
#include "server/history.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"

static const char *const CAUSE_NAMES[CAUSE_COUNT] = {
    [CAUSE_START] = "start",     [CAUSE_WATCH] = "watch", [CAUSE_SIGNAL] = "signal",
    [CAUSE_COMMAND] = "command", [CAUSE_ADMIN] = "admin", [CAUSE_ROLLBACK] = "rollback",
};

const char *history_cause_name(enum history_cause cause)
{
    return CAUSE_NAMES[cause];
}

void history_settle(struct history *history)
{
    free(history->failure.errors);
    history->failure = (struct history_failure){0};
}

void history_succeed(struct history *history, uint64_t generation, enum history_cause cause)
{
    history_settle(history);
    history->generation = generation;
    history->cause = cause;
    history->since = clock_wall();
    history->is_held = cause == CAUSE_ROLLBACK;
    history->succeeded += cause != CAUSE_START;
}

void history_fail(struct history *history, enum history_cause cause, struct slice errors)
{
    char *copy = mem_alloc(errors.length + 1);

    if (errors.length > 0)
        memcpy(copy, errors.start, errors.length);
    copy[errors.length] = '\0';
    history_settle(history);
    history->failure = (struct history_failure){.cause = cause, .at = clock_wall(), .errors = copy};
    history->failed++;
}

void history_clear(struct history *history)
{
    history_settle(history);
    *history = (struct history){0};
}
