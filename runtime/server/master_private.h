/*
 * master_private — what the master knows, for its own files alone.
 */
#pragma once

#include <ev.h>
#include <time.h>

#include "server/control.h"
#include "server/deputies.h"
#include "server/history.h"
#include "server/master.h"
#include "server/nursery.h"
#include "server/predecessor.h"
#include "server/reload_desk.h"
#include "server/sockets.h"
#include "server/upgrade.h"
#include "server/vigil.h"
#include "server/workforce.h"

/* Workers drain for the plan's time; then they have this long to notice that it is over. */
#define MASTER_KILL_MARGIN_SECONDS 2.0
#define MASTER_NOTE_BYTES          256

struct master {
    const struct master_options *options;
    struct plan plan;
    int bundle_fd; /* what was read of the configuration, for workers that start later, too */
    struct sockets sockets;
    struct shared *shared;
    struct loop *loop;
    struct workforce workforce;
    bool has_workers; /* they have been started */
    struct nursery nursery;
    struct reload_desk *desk; /* NULL: none, since it stops */
    struct vigil vigil;
    struct deputies deputies;
    struct history history;
    struct control *control; /* NULL: none */
    double started;          /* seconds since the epoch */
    struct timespec read;    /* when the configuration began to be read */
    double read_cpu_seconds; /* that it took */
    int inventory_fd;        /* of what was read, until the desk has it; -1: none */
    int signal_fd;
    ev_io signals;
    ev_timer barred;   /* stopping: until nobody is in the middle of connecting */
    ev_timer patience; /* then: until workers are killed */
    bool is_ready, has_failed, is_impatient;
    int lifeline[2]; /* a pipe: its other end is held by all processes of this gateway */
    unsigned char tickets[TLS_TICKET_SECRET_BYTES];
    /* An upgrade: of this gateway to another one. */
    struct control_client *upgrade_asker; /* NULL: none is under way */
    struct upgrade *upgrade;              /* NULL: there is no other gateway yet */
    bool is_leaving, is_told_to_stop;     /* the other one serves */
    char kept[PLAN_LISTENERS_MAX + 1];    /* upgrade_outcome's */
    /* And of another gateway to this one. */
    struct predecessor *predecessor; /* NULL: there is none, any more */
    char note[MASTER_NOTE_BYTES];    /* for whoever asked for it */
};

/* What must be there before the first worker; false when something cannot be, which has been
 * printed.
 */
bool master_prepare(struct master *master);
unsigned master_worker_count(const struct master *master);

/* Before any of these. */
void master_prepare_end(struct master *master);
/* Lets workers finish; asked again, kills them. */
void master_stop(struct master *master);
/* The same, when another gateway has `kept` of the sockets. */
void master_leave(struct master *master);
/* Ends the loop when neither workers nor a predecessor are left. */
void master_end_if_alone(struct master *master);

/* Answers the client once it is done, or not to be done. */
void master_begin_upgrade(struct master *master, struct control_client *client);
void master_cancel_upgrade(struct master *master);

/* Waits for processes that nobody knows: what plugins had started, and was left to this process by
 * workers that ended. */
void master_reap_strangers(const struct master *master);

/* Told to the predecessor, if there is one: why this gateway will not take its place. */
void master_fail_upgrade(struct master *master, struct slice text);
/* All workers could serve: they begin to. False: they cannot, which the predecessor has been told.
 */
bool master_take_over(struct master *master);
/* This gateway serves. */
void master_dismiss_predecessor(struct master *master);

/* On the control socket: a control_request. */
void master_on_request(void *data, struct control_client *client, struct slice verb);
/* CHANNEL_ASK. */
void master_on_ask(struct master *master, unsigned worker, const struct channel_message *message);
/* For /status, /ready and /metrics, whichever worker is asked. */
void master_publish_news(struct master *master);
