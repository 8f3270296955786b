/*
 * reload_desk — takes requests to change what a gateway runs, does one at a time, answers those who
 * asked.
 *
 * Wherever a request comes from, the same is done: the configuration is read in a throw-away
 * process, and if it is good and another one, the workers agree to run it. Requests that come while
 * something is under way are joined into one more run after it. The generation that ran before is
 * kept as it was read, to be gone back to. Files that were read, or looked for, are watched.
 */
#pragma once

#include "server/history.h"
#include "server/rehearsal.h"
#include "server/renewal.h"

struct reload_outcome {
    bool is_done;
    struct slice text, json; /* for people, and for programs: both end with a line feed */
    struct slice brief;      /* the JSON without the errors for which a message has no room */
};

/* Somebody who asked, to be copied. */
struct reload_asker {
    /* Called once, unless the desk is abandoned; NULL: nobody. The outcome is borrowed. */
    void (*answer)(const struct reload_asker *asker, const struct reload_outcome *outcome);
    void *data;
    /* Whoever asked for a request of its own. */
    unsigned worker;
    uint64_t ticket;
};

struct reload_desk_options {
    struct loop *loop;
    const char *config_path;
    const struct installation *installation;
    struct workforce *workforce;
    struct renewal_subject subject;
    struct history *history; /* kept here */
    /* It says something new. */
    void (*on_history)(void *data);
    void *data;
};

struct reload_desk;

struct reload_desk *reload_desk_create(const struct reload_desk_options *options);
/* What is under way is dropped; who waits is told that the gateway stops. */
void reload_desk_destroy(struct reload_desk **desk);
/* In a forked child: gives back what only the master has a use for. */
void reload_desk_abandon(struct reload_desk **desk);

/* The first generation serves, read from `read` on: from now on files are watched, and requests are
 * not refused. */
void reload_desk_open(struct reload_desk *desk, struct timespec read);

/* The asker may be answered before this returns. */
void reload_desk_reload(struct reload_desk *desk, enum history_cause cause,
                        const struct reload_asker *asker);
void reload_desk_roll_back(struct reload_desk *desk, const struct reload_asker *asker);
/* The longest that a request may take, in seconds, with one before it. */
double reload_desk_seconds_max(void);

/* From the workforce. */
void reload_desk_on_message(struct reload_desk *desk, unsigned worker,
                            const struct channel_message *message);
void reload_desk_on_death(struct reload_desk *desk, unsigned worker);
