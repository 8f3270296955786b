/*
 * renewal — what was read becomes what runs: sockets of new listeners are opened, the workers
 * agree.
 *
 * Until they have, nothing of what runs is changed. What they agree on is what `subject` says from
 * then on, for workers that are started later, too.
 */
#pragma once

#include <ev.h>

#include "base/buffer.h"
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
    struct workforce *workforce;
    struct renewal_subject subject;
    /* The last thing that one does. `errors`: empty when another generation runs; borrowed during
     * the call. */
    void (*ended)(void *data, struct slice errors);
    void *data;
};

struct renewal {
    struct renewal_options options;
    ev_timer late;
    struct reload reload;
    /* What would run; once it is decided, what has run before. */
    struct plan plan;
    struct sockets sockets;
    int bundle_fd; /* -1: none, or taken in ended() */
    bool is_decided;
};

void renewal_init(struct renewal *renewal, const struct renewal_options *options);
/* What is under way is dropped; nobody is told. */
void renewal_clear(struct renewal *renewal);
/* In a forked child: closes what only the master has a use for. */
void renewal_abandon(struct renewal *renewal);
/* Only while none is running. Takes `bundle_fd` over. */
void renewal_begin(struct renewal *renewal, const struct plan *plan, int bundle_fd);
bool renewal_is_running(const struct renewal *renewal);
/* One has failed: whether the same may do later, and is not suspected of what made it fail. */
bool renewal_may_pass(const struct renewal *renewal);
/* In ended(), after it went well: the bundle that ran before, the caller's from now on. */
int renewal_take_previous(struct renewal *renewal, struct plan *plan);
/* From the workforce. */
void renewal_on_message(struct renewal *renewal, unsigned worker,
                        const struct channel_message *message);
void renewal_on_death(struct renewal *renewal, unsigned worker);
