/*
 * reload_desk — takes requests to change what a gateway runs, has one job done at a time, answers
 * those who asked.
 *
 * Wherever a request comes from, the same is done (reload_job.h). Requests that come while
 * something is under way are joined, each kind into one more job after it. Files that were read, or
 * looked for, are watched: one that changes is a request, too. Where such files could not be run
 * for a reason that may pass, they are read again, after a pause that doubles each time: nobody
 * would say again that they have changed.
 */
#pragma once

#include "server/reload_job.h"

/* Somebody who asked, to be copied. */
struct reload_asker {
    /* Called once, unless the desk is abandoned; NULL: nobody. The outcome is borrowed. */
    void (*answer)(const struct reload_asker *asker, const struct reload_outcome *outcome);
    void *data;
    /* Whoever asked for a request of its own. */
    unsigned worker;
    uint64_t ticket;
};

extern const struct reload_asker RELOAD_NOBODY;

struct reload_desk_options {
    struct reload_options reload;
    /* The history says something new. */
    void (*on_history)(void *data);
    void *data;
};

struct reload_desk;

struct reload_desk *reload_desk_create(const struct reload_desk_options *options);
/* What is under way is dropped; who waits is told that the gateway stops. */
void reload_desk_destroy(struct reload_desk **desk);
/* In a forked child: gives back what only the master has a use for. */
void reload_desk_abandon(struct reload_desk **desk);

/* As reload_job_open(): from now on requests are not refused. Those of nobody have waited. */
void reload_desk_open(struct reload_desk *desk, const struct reload_opening *opening);

/* No job is begun until reload_desk_resume(); what is asked for waits. Calls `paused` once, maybe
 * before this returns, when none is under way. */
void reload_desk_pause(struct reload_desk *desk, void (*paused)(void *data), void *data);
void reload_desk_resume(struct reload_desk *desk);

/* The asker may be answered before this returns. */
void reload_desk_ask(struct reload_desk *desk, enum reload_kind kind, enum history_cause cause,
                     const struct reload_asker *asker);
/* Whether somebody waits for files to be read again. */
bool reload_desk_is_asked(const struct reload_desk *desk);
/* Whether somebody's request is under way, at whose end there may be another generation. */
bool reload_desk_is_busy(const struct reload_desk *desk);
/* Whether there is a process that reads the files, which is waited for here alone. */
bool reload_desk_is_reading(const struct reload_desk *desk);
/* The longest that a request may take, in seconds, with others before it. */
double reload_desk_seconds_max(void);

/* From the workforce. */
void reload_desk_on_message(struct reload_desk *desk, unsigned worker,
                            const struct channel_message *message);
void reload_desk_on_death(struct reload_desk *desk, unsigned worker);
