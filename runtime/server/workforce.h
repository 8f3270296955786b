/*
 * workforce — the worker processes, started, watched, replaced, ended.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/backoff.h"
#include "server/worker.h"

/* For one that is forked by the nursery to say so. */
#define WORKFORCE_BIRTH_SECONDS_MAX 2.0

struct channel_message;
struct loop;
struct nursery;

struct workforce_options {
    struct loop *loop;
    struct worker_options worker; /* of all, but index and channel */
    unsigned count;
    struct nursery *nursery; /* from which they are forked, where it can */
    /* All serve; again each time after one that was missing has been replaced. */
    void (*on_ready)(void *data);
    /* A worker said something else; `message` is borrowed. */
    void (*on_message)(void *data, unsigned worker, const struct channel_message *message);
    /* One has ended that had been started, whatever it was doing; it will be replaced. */
    void (*on_death)(void *data, unsigned worker);
    /* One has been started in the place of one that has ended. */
    void (*on_restart)(void *data);
    /* One could not build what the rehearsal could; it will be tried again. */
    void (*on_failed)(void *data);
    /* The last one has ended, after workforce_stop(). */
    void (*on_empty)(void *data);
    /* In the child, first of all: closes what a worker has no use for. */
    void (*in_child)(void *data);
    void *data;
};

struct workforce_member {
    struct workforce *workforce;
    pid_t pid;               /* 0: none, or not known yet */
    struct channel *channel; /* NULL: there is none, or its worker has closed it */
    bool is_expected;        /* the nursery forks it: who it is will be told */
    bool was_lost;           /* the last one that was expected has not come */
    uint64_t signals;        /* a bit for each that waits until its process id is known */
    bool is_ready;
    bool is_stopped; /* by a signal, until another one lets it go on */
    bool has_ended;  /* once at least */
    double served;   /* monotonic seconds, since when, while it is ready */
    struct backoff backoff;
    uint64_t restarts; /* how often it has been replaced */
    ev_io hears;       /* active while there is a channel */
    ev_timer restart;
    ev_timer birth; /* while it is expected; then once, to see whether it has ended meanwhile */
};

struct workforce {
    struct workforce_options options;
    struct workforce_member *members;
    unsigned ready_count;
    uint64_t restarts; /* of all together */
    bool is_stopping;
};

/* Starts nobody yet. */
void workforce_init(struct workforce *workforce, const struct workforce_options *options);
void workforce_clear(struct workforce *workforce);
/* Starts all, soon: those for whom the system has no process to give are tried again. */
void workforce_start(struct workforce *workforce);
/* Nobody is replaced from now on; the workers are to be told by a signal. May call on_empty. */
void workforce_stop(struct workforce *workforce);
/* In a child: gives back what only the master has a use for. */
void workforce_abandon(struct workforce *workforce);
/* Whether one is being forked that is nobody's child but the master's, who does not know it yet. */
bool workforce_expects(const struct workforce *workforce);
/* No process is left. */
bool workforce_is_empty(const struct workforce *workforce);
/* After SIGCHLD: takes note of all that have ended, were stopped, or go on. */
void workforce_reap(struct workforce *workforce);
void workforce_signal(struct workforce *workforce, int signal_number);
/* Nothing happens where there is no such worker. */
void workforce_signal_one(struct workforce *workforce, unsigned worker, int signal_number);
/* It is to run another generation than it was started with: it ends, if it has not, how often it
 * has ended soon is forgotten, and nobody waits for its successor. */
void workforce_renew(struct workforce *workforce, unsigned worker);
/* Seconds until one is started that has ended; 0: it has not, or that is due. */
double workforce_next_try(const struct workforce *workforce, unsigned worker);
bool workforce_is_ready(const struct workforce *workforce, unsigned worker);
/* Whether one of them ends again and again, soon after its start. */
bool workforce_is_failing(const struct workforce *workforce);
/* False when it cannot be reached. */
bool workforce_send(struct workforce *workforce, unsigned worker,
                    const struct channel_message *message);
