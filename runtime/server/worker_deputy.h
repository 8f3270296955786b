/*
 * worker_deputy — in a worker: accepts for others that do not, as the master says.
 */
#pragma once

#include <stddef.h>

struct channel_message;
struct gateway;
struct generation;

struct worker_deputy {
    struct gateway *gateway;
    size_t count;
    struct deputized {
        unsigned worker; /* whose socket it is */
        int fd;          /* the gateway's */
    } * sockets;
};

void worker_deputy_init(struct worker_deputy *deputy, struct gateway *gateway);
/* The sockets are the gateway's. */
void worker_deputy_clear(struct worker_deputy *deputy);
/* CHANNEL_DEPUTIZE, whose descriptors are taken. Of another generation than the one that runs it
 * means nothing. */
void worker_deputy_begin(struct worker_deputy *deputy, const struct generation *generation,
                         struct channel_message *message);
/* CHANNEL_RELIEVE: what waits by now is still accepted. */
void worker_deputy_end(struct worker_deputy *deputy, const struct channel_message *message);
void worker_deputy_end_all(struct worker_deputy *deputy);
