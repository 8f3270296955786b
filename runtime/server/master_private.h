/*
 * master_private — what the master knows, for its own files alone.
 */
#pragma once

#include <ev.h>
#include <time.h>

#include "server/control.h"
#include "server/history.h"
#include "server/master.h"
#include "server/reload_desk.h"
#include "server/sockets.h"
#include "server/vigil.h"
#include "server/workforce.h"

/* Workers drain for the plan's time; then they have this long to notice that it is over. */
#define MASTER_KILL_MARGIN_SECONDS 2.0

struct master {
    const struct master_options *options;
    struct plan plan;
    int bundle_fd; /* what was read of the configuration, for workers that start later, too */
    struct sockets sockets;
    struct shared *shared;
    struct loop *loop;
    struct workforce workforce;
    struct reload_desk *desk; /* NULL: none, since it stops */
    struct vigil vigil;
    struct history history;
    struct control *control; /* NULL: none */
    double started;          /* seconds since the epoch */
    struct timespec read;    /* when the configuration began to be read */
    int inventory_fd;        /* of what was read, until the desk has it; -1: none */
    int signal_fd;
    ev_io signals;
    ev_timer barred;   /* stopping: until nobody is in the middle of connecting */
    ev_timer patience; /* then: until workers are killed */
    bool is_ready, has_failed;
};

/* What must be there before the first worker; false when something cannot be, which has been
 * printed.
 */
bool master_prepare(struct master *master);
unsigned master_worker_count(const struct master *master);

/* Lets workers finish; asked again, kills them. */
void master_stop(struct master *master);

/* On the control socket: a control_request. */
void master_on_request(void *data, struct control_client *client, struct slice verb);
/* CHANNEL_ASK. */
void master_on_ask(struct master *master, unsigned worker, const struct channel_message *message);
/* For /status, /ready and /metrics, whichever worker is asked. */
void master_publish_news(struct master *master);
