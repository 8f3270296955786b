/*
 * vigil — finds the workers whose loop does not turn any more, says where they are, ends them.
 *
 * Looks at what each worker shows of itself (shm/worker_board.h), never more often than is needed.
 * Who has shown the same turn for too long, or is stopped by a signal, is asked by another signal
 * which lines it runs, and killed a moment later. Its successor is the workforce's business. When
 * the whole machine has stood still, nobody is to blame: time counts only while the master looks.
 */
#pragma once

#include <ev.h>
#include <stdint.h>

struct loop;
struct shared;
struct workforce;

/* Between being asked and being killed. */
#define VIGIL_ANSWER_SECONDS 0.1
/* Between two looks, at most; at most an eighth of what a turn may take, too. */
#define VIGIL_LOOK_SECONDS_MAX 0.25
#define VIGIL_LOOK_SECONDS_MIN 0.02

struct vigil_options {
    struct loop *loop;
    struct workforce *workforce;
    const struct shared *shared;
    const double *turn_seconds; /* that a turn may take, 0: for ever; looked at each time */
    /* At each look, for each worker: for how long it has been in the same turn. */
    void (*on_look)(void *data, unsigned worker, double seconds);
    void *data;
};

struct vigil {
    struct vigil_options options;
    struct vigil_subject *subjects; /* one for each worker */
    double looked;                  /* monotonic seconds, when last */
    uint64_t ended;                 /* how many have been, so far */
    ev_timer look;
};

void vigil_start(struct vigil *vigil, const struct vigil_options *options);
void vigil_stop(struct vigil *vigil);
