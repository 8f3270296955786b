/*
 * history — which generation runs, since when, how it came, and what the last failed reload was
 * about.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/json_writer.h"

/* Who asked for a generation. In the order of HISTORY_CAUSES. */
enum history_cause {
    CAUSE_START,
    CAUSE_WATCH,    /* a file changed */
    CAUSE_SIGNAL,   /* SIGHUP */
    CAUSE_COMMAND,  /* moongate reload */
    CAUSE_ADMIN,    /* POST /reload */
    CAUSE_ROLLBACK, /* moongate rollback */
    CAUSE_UPGRADE,  /* moongate upgrade: begun as another gateway ended */
    CAUSE_COUNT
};

/* What changes with an upgrade, or a restart, alone. */
enum history_unapplied { UNAPPLIED_WORKERS = 1, UNAPPLIED_MEMORY = 2, UNAPPLIED_USER = 4 };

struct history_failure {
    enum history_cause cause;
    double at;    /* seconds since the epoch */
    char *errors; /* a line for each; NULL: none, the last one went well */
};

struct history {
    uint64_t generation; /* counts from 1; 0: none serves yet */
    enum history_cause cause;
    double since;       /* seconds since the epoch */
    bool is_held;       /* rolled back: stays until a reload is asked for */
    unsigned unapplied; /* of enum history_unapplied: what the files say and a reload cannot do */
    uint64_t succeeded, failed;
    struct history_failure failure; /* the last one, until a reload succeeds */
};

/* "start", "watch", "signal", "command", "admin", "rollback", "upgrade". */
const char *history_cause_name(enum history_cause cause);

/* A line for people; nothing when all is applied. */
void history_print_unapplied(unsigned unapplied, struct buffer *into);
/* "needs_upgrade": an array of names. */
void history_write_unapplied(unsigned unapplied, struct json_writer *writer);

/* A generation serves from now on: earlier failures are settled. */
void history_succeed(struct history *history, uint64_t generation, enum history_cause cause);
/* The one that runs goes on. `errors` are copied. */
void history_fail(struct history *history, enum history_cause cause, struct slice errors);
/* The files are again as those of the generation that runs: earlier failures are settled. */
void history_settle(struct history *history);
void history_clear(struct history *history);
