/*
 * sockets — the listening sockets, opened by the master, outliving every worker.
 *
 * Each worker accepts from a socket of its own (SO_REUSEPORT), which the master keeps open as well:
 * when a worker dies, what waits in its queue is taken by a deputy or its successor. Unix sockets
 * are shared.
 * The sockets of one listener are a group, which passes from one plan to the next as long as both
 * have it, and from one gateway to another by an upgrade. Then there may be more of them than
 * workers, of whom some accept from several.
 */
#pragma once

#include "base/buffer.h"
#include "bridge/plan.h"

/* For those who have sent the first packet of a connection to send the third; nobody on this
 * machine needs any. */
#define SOCKETS_HANDSHAKE_SECONDS 0.2

struct sockets_group;

/* Those of one plan, in its order. */
struct sockets {
    size_t count;
    unsigned worker_count;
    struct sockets_group *groups[PLAN_LISTENERS_MAX]; /* each holds a reference */
};

/*
 * Those of `plan`: taken from `current`, which are those of `current_plan`, or opened. False when
 * some cannot be opened, with a line in `errors` for each, and none is held.
 */
bool sockets_open(struct sockets *sockets, const struct plan *plan, const struct sockets *current,
                  const struct plan *current_plan, struct buffer *errors);
/* The first ones, of a gateway that starts; with no worker count in `sockets`, nothing is held. */
void sockets_init(struct sockets *sockets, unsigned worker_count);
/* Adds those of one listener that another gateway has opened; the descriptors are taken over. */
void sockets_inherit(struct sockets *sockets, const int *fds, size_t count);
/* More of the listener that was added last. */
void sockets_inherit_more(struct sockets *sockets, const int *fds, size_t count);
/* Where there are fewer than workers, sockets_open() has made more, which nobody can connect to
 * before this. False with errno. */
bool sockets_complete(const struct sockets *sockets);
/* What no other plan's holds is closed. */
void sockets_close(struct sockets *sockets);
/* The nth socket, from 0, that the worker is to accept from; -1: it has no more. */
int sockets_fd(const struct sockets *sockets, size_t listener, unsigned worker, unsigned nth);
/* Whether all workers accept from the same one. */
bool sockets_is_common(const struct sockets *sockets, size_t listener);
/* All of a listener's, each once; `*fds` is borrowed. Their number. */
size_t sockets_all(const struct sockets *sockets, size_t listener, const int **fds);
/* Whether `sockets` has those of a listener of `other`. */
bool sockets_share(const struct sockets *sockets, const struct sockets *other, size_t listener);
/* In a worker, after the fork: closes those of its siblings; its own go to its gateway. */
void sockets_keep_only(struct sockets *sockets, unsigned worker);
/*
 * Before they are closed for good, those that `next` does not hold, or, when nothing comes next
 * (NULL), all but the admin listeners': nobody can begin to connect any more, and who has begun can
 * still be accepted. Whether somebody far away may be in the middle of it, for up to
 * SOCKETS_HANDSHAKE_SECONDS.
 */
bool sockets_bar(const struct sockets *sockets, const struct plan *plan,
                 const struct sockets *next);
/* Logs "listening on ADDRESS" for each that `current` does not hold, with the port that the kernel
 * chose. */
void sockets_announce(const struct sockets *sockets, const struct plan *plan,
                      const struct sockets *current);
