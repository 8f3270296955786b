/*
 * reload_job — one change to what a gateway runs, from its beginning to its outcome: the files are
 * read in a throw-away process, what is good and another one is voted on.
 *
 * Keeps what later jobs need: the generation before, to go back to, and what each has, to tell
 * differences. One at a time.
 */
#pragma once

#include "server/history.h"
#include "server/rehearsal.h"
#include "server/renewal.h"

enum reload_kind { RELOAD_FILES, RELOAD_PREVIOUS, RELOAD_PREVIEW, RELOAD_KIND_COUNT };

struct reload_outcome {
    bool is_done, may_pass;  /* not done, for a reason of the moment: the same files may do later */
    struct slice text, json; /* for people, and for programs: both end with a line feed */
    struct slice brief;      /* the JSON without that for which a message has no room */
};

struct reload_options {
    struct loop *loop;
    const char *config_path;
    const struct installation *installation;
    struct workforce *workforce;
    struct renewal_subject subject;
    struct history *history; /* kept here */
};

struct reload_job;
struct watch;

/* `watch` is borrowed: told what to watch. `ended`: the outcome is borrowed; it must not begin
 * another one. */
struct reload_job *
reload_job_create(const struct reload_options *options, struct watch *watch,
                  void (*ended)(void *data, const struct reload_outcome *outcome), void *data);
void reload_job_destroy(struct reload_job **job);
/* In a forked child: gives back what only the master has a use for. */
void reload_job_abandon(struct reload_job **job);

/* The generation that serves first. */
struct reload_opening {
    struct timespec read;    /* when its configuration began to be read */
    double read_cpu_seconds; /* that it took */
    int inventory_fd;        /* taken over; -1: none */
};
void reload_job_open(struct reload_job *job, const struct reload_opening *opening);
/* May end before it returns. */
void reload_job_begin(struct reload_job *job, enum reload_kind kind, enum history_cause cause);
/* Whether there is a process that reads the files. */
bool reload_job_is_reading(const struct reload_job *job);
/* The longest that one may take, in seconds. */
double reload_job_seconds_max(void);

/* From the workforce. */
void reload_job_on_message(struct reload_job *job, unsigned worker,
                           const struct channel_message *message);
void reload_job_on_death(struct reload_job *job, unsigned worker);
