/*
 * arrival — an accepted connection on its way to being ready: PROXY header first, then TLS.
 */
#pragma once

#include "base/list.h"
#include "net/listener.h"

struct arrivals {
    struct loop *loop;
    struct listener_options options;
    struct listener_events events;
    void *data;
    struct list pending; /* struct arrival */
    /* Told each time when the last one pending has become ready or failed; may be NULL. */
    void (*on_empty)(struct arrivals *arrivals);
};

void arrivals_init(struct arrivals *arrivals);
/* Closes all that are not ready; nobody is told. */
void arrivals_clear(struct arrivals *arrivals);

/*
 * Takes over `fd`, admitted already; on_connection or on_failed are called once, maybe before
 * this returns.
 */
void arrivals_add(struct arrivals *arrivals, int fd, const struct address *peer);
