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
    [CAUSE_UPGRADE] = "upgrade",
};

const char *history_cause_name(enum history_cause cause)
{
    return CAUSE_NAMES[cause];
}

/* In the order of the bits. */
static const char *const UNAPPLIED_NAMES[] = {"workers", "memory", "user"};

void history_print_unapplied(unsigned unapplied, struct buffer *into)
{
    if (unapplied == 0)
        return;
    buffer_append(into, SLICE("needs upgrade "));
    for (unsigned i = 0; i < ARRAY_LENGTH(UNAPPLIED_NAMES); i++) {
        if ((unapplied & 1U << i) == 0)
            continue;
        buffer_append(into, SLICE(" "));
        buffer_append(into, slice_from_string(UNAPPLIED_NAMES[i]));
    }
    buffer_append(into, SLICE(": a reload does not change it, moongate upgrade does\n"));
}

void history_write_unapplied(unsigned unapplied, struct json_writer *writer)
{
    json_writer_open_array(writer, "needs_upgrade");
    for (unsigned i = 0; i < ARRAY_LENGTH(UNAPPLIED_NAMES); i++) {
        if ((unapplied & 1U << i) != 0)
            json_writer_put_string(writer, NULL, UNAPPLIED_NAMES[i]);
    }
    json_writer_close_array(writer);
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
    history->succeeded += cause != CAUSE_START && cause != CAUSE_UPGRADE;
}

void history_fail(struct history *history, enum history_cause cause, struct slice errors)
{
    char *copy = slice_to_string(errors); /* they may be those that are there */

    history_settle(history);
    history->failure = (struct history_failure){.cause = cause, .at = clock_wall(), .errors = copy};
    history->failed++;
}

void history_clear(struct history *history)
{
    history_settle(history);
    *history = (struct history){0};
}
