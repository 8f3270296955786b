/*
 * sockets — the listening sockets, opened by the master, outliving every worker.
 *
 * Each worker accepts from a socket of its own (SO_REUSEPORT), which the master keeps open as well:
 * when a worker dies, what waits in its queue is taken by its successor. Unix sockets are shared.
 */
#pragma once

#include "bridge/plan.h"

struct buffer;

struct sockets {
    size_t listener_count, worker_count;
    int *fds; /* [listener * worker_count + worker] */
};

/* Opens all; false when some cannot be: a line for each goes into `errors`, with where it was
 * written. */
bool sockets_open(struct sockets *sockets, const struct plan *plan, unsigned worker_count,
                  struct buffer *errors);
void sockets_close(struct sockets *sockets);

/* Those of plan `to`, while those of `from` are open in `current`: what goes on is in both, what is
 * new is opened. False as from sockets_open(), and nothing is left in `next`. */
bool sockets_succeed(struct sockets *next, const struct sockets *current, const struct plan *from,
                     const struct plan *to, struct buffer *errors);
/* Closes those that `kept` does not have. */
void sockets_close_others(struct sockets *sockets, const struct sockets *kept);
int sockets_fd(const struct sockets *sockets, size_t listener, unsigned worker);
/* In a worker, after the fork: closes those of its siblings; its own go to its gateway. */
void sockets_keep_only(struct sockets *sockets, unsigned worker);
/* Logs "listening on ADDRESS" for each, with the port that the kernel chose. */
void sockets_announce(const struct sockets *sockets, const struct plan *plan);
