/*
 * loop — one thread's event loop with what everything on it shares.
 *
 * Besides libev's loop: one scratch buffer that every read goes through, a pool
 * of blocks for what has to wait, the list of those who have written something
 * and want it flushed, and a measure of how long turns take.
 */
#pragma once

#include <ev.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/list.h"

#define LOOP_SCRATCH_BYTES 65536
/* Kinds of things that loop_keep() keeps. */
#define LOOP_KEPT_MAX 8

/*
 * Those with output wait for one another until so many have some, and never longer than the turn:
 * sockets are written to one after the other, while the code for it is in the processor's cache,
 * and who reads at the other end is woken once for several. Bounded: the first waits for the last.
 */
#define LOOP_FLUSHES_MAX 16

struct timeout;

/* Something of which the layers above want one for each loop. */
struct loop_kind {
    void *(*create)(void);
    void (*destroy)(void *thing);
};

/* How often what is deferred may defer more before sockets get their turn again. */
#define LOOP_DEFERRED_ROUNDS_MAX 16
/* What is postponed waits for so long at least, and for twice as long at most, where no turn is
 * late. */
#define LOOP_POSTPONED_SECONDS 0.02

/* Somebody with output: `flush` is called once, before the loop next waits at the latest. */
struct loop_flush {
    struct list node; /* list_init() before first use */
    void (*flush)(struct loop_flush *item);
};

/* A call to make outside of the caller's stack: soon, before the loop next waits, or some time. */
struct loop_deferred {
    struct list node; /* list_init() before first use */
    void (*run)(struct loop_deferred *item);
};

struct loop {
    struct ev_loop *ev;
    struct buffer_pool blocks;
    /* Valid during one callback; whoever reads into it consumes or copies before returning. */
    char *scratch; /* LOOP_SCRATCH_BYTES */
    struct list flushes, deferred;
    struct list postponed, overdue; /* the latter have waited for LOOP_POSTPONED_SECONDS */
    ev_prepare before_wait;
    ev_check after_wait;
    ev_idle unfinished; /* active while something is to be done: the loop then does not wait */
    ev_timer clock;     /* never fires: what is left of it tells monotonic time without a call */
    double monotonic;   /* what it told at the start of this turn */
    double created;     /* on the system's monotonic clock */
    /* Monotonic seconds when this turn began, 0 while waiting: `own_turn`, or wherever somebody
     * else looks at it. 0, too, while nothing is measured. */
    double *turn;
    double own_turn;
    /* Told after each turn how long it took, in seconds; may be NULL: nothing is measured. */
    void (*on_turn)(void *data, double seconds);
    void *on_turn_data;
    int connection_fd_end;          /* connections have lower descriptors, see loop_may_connect() */
    struct timeout *spare_timeouts; /* see timeout_acquire() */
    unsigned spare_timeout_count;
    unsigned flush_count;  /* at least as many as `flushes` has */
    ev_timer postponement; /* active while something is postponed, and until it next fires */
    struct loop_kept {
        const struct loop_kind *kind; /* NULL: none from here on */
        void *thing;
    } kept[LOOP_KEPT_MAX];
    double turns_behind; /* see loop_turns_behind(); listeners write it */
};

/* Descriptors that are not for connections, but at most an eighth of all. */
#define LOOP_RESERVED_DESCRIPTORS_MAX 96

/* The first loop of a process also makes it ignore SIGPIPE: a peer that left is an error code. */
struct loop *loop_create(void);
/* Runs what is deferred; then whatever uses the loop must be gone. Clears `*loop`. */
void loop_destroy(struct loop **loop);
/* In a forked child, where the parent's loop is of no use: only its memory and descriptors go. */
void loop_abandon(struct loop **loop);
/* Until loop_stop(), or until nothing is left to wait for. */
void loop_run(struct loop *loop);
/* Handles what is ready, waiting for at most one event. */
void loop_run_once(struct loop *loop);
void loop_stop(struct loop *loop);

/* Seconds since the epoch, as of the start of this turn: no system call. */
static inline double loop_now(const struct loop *loop)
{
    return ev_now(loop->ev);
}

/* Seconds since the loop was created, as of the start of this turn; never jumps with the wall
 * clock. */
static inline double loop_monotonic(const struct loop *loop)
{
    return loop->monotonic;
}

/* The same on the system's monotonic clock, which all processes share. */
static inline double loop_uptime(const struct loop *loop)
{
    return loop->created + loop->monotonic;
}

/* So many turns more it takes to accept what waits in the fullest queue of connections, as this
 * turn has found it; 0: it has accepted all, or has not asked. */
static inline double loop_turns_behind(const struct loop *loop)
{
    return loop->turns_behind;
}

/*
 * Whether a connection may have this descriptor. The last ones of those that the process may have
 * are kept for itself: however many clients come, it can be reached by its master, read files and
 * log.
 */
static inline bool loop_may_connect(const struct loop *loop, int fd)
{
    return fd < loop->connection_fd_end;
}

/* The loop's thing of that kind, which is static: made at the first call, destroyed with the loop.
 */
void *loop_keep(struct loop *loop, const struct loop_kind *kind);

/* Asks for `item->flush`; asking again before it ran changes nothing. list_remove(&item->node)
 * cancels. */
void loop_flush_later(struct loop *loop, struct loop_flush *item);
/* Every callback of a stream ends with it: flushes all who asked when they are LOOP_FLUSHES_MAX. */
void loop_flush(struct loop *loop);
/* Asking again before it ran changes nothing; list_remove(&item->node) cancels. */
void loop_defer(struct loop *loop, struct loop_deferred *item);
/*
 * The same, but after LOOP_POSTPONED_SECONDS: for what need not be done at all if something else
 * comes first, which cancels it.
 */
void loop_postpone(struct loop *loop, struct loop_deferred *item);
