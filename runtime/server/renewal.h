/*
 * renewal — one reload from its asking to its end: the configuration is read in a throw-away
 * process, sockets of new listeners are opened, the workers agree.
 *
 * Until they have, nothing of what runs is changed. What they agree on is what `subject` says from
 * then on, for workers that are started later, too.
 */
#pragma once

#include <ev.h>

#include "base/buffer.h"
#include "server/rehearsal.h"
#include "server/reload.h"
#include "server/sockets.h"

struct loop;
struct workforce;

/* What runs: the master's, changed here. */
struct renewal_subject {
    struct plan *plan;
    int *bundle_fd;
    struct sockets *sockets;
    uint64_t *generation;
};

struct renewal_options {
    struct loop *loop;
    const char *config_path;
    const struct installation *installation;
    struct workforce *workforce;
    struct renewal_subject subject;
    /* The last thing that one does. `errors`: empty when it went well; borrowed during the call.
     * `is_new`: another generation serves; not when all was read as it had been before. */
    void (*ended)(void *data, bool is_new, struct slice errors);
    void *data;
};

struct renewal {
    struct renewal_options options;
    struct rehearsal *rehearsal; /* while the configuration is read */
    ev_io read;
    ev_timer late;
    struct reload reload;
    /* What would run. */
    struct plan plan;
    struct sockets sockets;
    int bundle_fd;
    bool is_decided;
    bool is_wanted_again; /* asked for while one runs: another one follows */
};

void renewal_init(struct renewal *renewal, const struct renewal_options *options);
/* What is under way is dropped; nobody is told. */
void renewal_clear(struct renewal *renewal);
/* In a forked child: closes what only the master has a use for. */
void renewal_abandon(struct renewal *renewal);
/* Reads and, when it is good, renews. While one runs: once more after it. */
void renewal_begin(struct renewal *renewal);
bool renewal_is_running(const struct renewal *renewal);
/* From the workforce. */
void renewal_on_message(struct renewal *renewal, unsigned worker,
                        const struct channel_message *message);
void renewal_on_death(struct renewal *renewal, unsigned worker);
