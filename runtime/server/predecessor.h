/*
 * predecessor — the gateway whose place this one takes: what it hands over, being told how that
 * goes, and its end.
 *
 * It goes on as if nothing were until it is told that we serve; only then its workers leave.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "server/handover.h"

struct loop;
struct predecessor;

enum predecessor_found { PREDECESSOR_NONE, PREDECESSOR_FOUND, PREDECESSOR_BROKEN };

/* Whether one has started us. BROKEN: one says so, but has not handed anything over. */
enum predecessor_found predecessor_find(struct predecessor **predecessor);
/* In a forked child: closes descriptors. */
void predecessor_abandon(struct predecessor **predecessor);
void predecessor_destroy(struct predecessor **predecessor);

/* What it has handed over, to be taken out of it. */
struct handover *predecessor_handover(struct predecessor *predecessor);
pid_t predecessor_pid(const struct predecessor *predecessor);
/* That its requests have to finish in, once it leaves. */
double predecessor_drain_seconds(const struct predecessor *predecessor);

/* Only while it lives; nobody else is ever meant. */
void predecessor_signal(const struct predecessor *predecessor, int signal_number);

/* A line, or several, for whoever asked for the upgrade; what is told first is not forgotten. */
void predecessor_tell_failure(struct predecessor *predecessor, struct slice text);
/*
 * We serve: it leaves. `sockets` are ours: what else it listens on is closed by it. `note`: a
 * sentence for whoever asked for the upgrade, empty: none. What has not been taken of the handover
 * is given up.
 */
void predecessor_tell_serving(struct predecessor *predecessor, const struct sockets *sockets,
                              struct slice note);
/* Calls `gone` once, when its last process has ended. */
void predecessor_watch(struct predecessor *predecessor, struct loop *loop, void (*gone)(void *data),
                       void *data);
