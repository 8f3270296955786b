/*
 * orphan — a worker whose master has died: the kernel tells it, and it ends within bounded time.
 *
 * Nobody would look after it any more, and whoever starts next wants its ports. The signal is
 * SIGALRM, twice: the first is the kernel's and tells the loop, the second is an alarm's that the
 * first has set, and ends the process whether its loop turns or not.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "net/loop.h"

/* On top of what an orphan may take, in whole seconds. */
#define ORPHAN_MARGIN_SECONDS 1

/*
 * In a worker, after its fork; again after each change of its user, at which the kernel forgets it.
 * False when the master has died meanwhile. The signal just ends the process until orphan_listen().
 */
bool orphan_bind(pid_t master);

struct orphan {
    ev_signal told;
    void (*orphaned)(void *data);
    void *data;
};

/* Calls `orphaned` once, in a turn of the loop; when that does not come for `turn_seconds`, the
 * process is killed. One for each process. */
void orphan_listen(struct orphan *orphan, struct loop *loop, void (*orphaned)(void *data),
                   void *data);
void orphan_stop(struct orphan *orphan, struct loop *loop);
/* For how long a turn of the loop may go on that was running when the master died. */
void orphan_allow_turn(double seconds);
/* What is left to do may take so long, or the process is killed. */
void orphan_allow(double seconds);
