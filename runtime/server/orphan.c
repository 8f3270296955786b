/*
 * orphan — a handler that does no more than a stuck process can do, and the loop does the rest.
 *
 * A death signal is all that reaches a process that computes without end, without a thread or a
 * system call of its own while its master lives. An alarm needs no more than the kernel.
 */
#include "server/orphan.h"

#include <math.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

/* For a signal's handler, which is told nothing. */
static unsigned turn_seconds_max = ORPHAN_MARGIN_SECONDS;

static unsigned whole_seconds(double seconds)
{
    static const double MAX = 1e6;
    return (unsigned)ceil(seconds < MAX ? seconds : MAX) + ORPHAN_MARGIN_SECONDS;
}

bool orphan_bind(pid_t master)
{
    prctl(PR_SET_PDEATHSIG, SIGALRM);
    return getppid() == master;
}

static void on_master_dead(int signal_number)
{
    alarm(__atomic_load_n(&turn_seconds_max, __ATOMIC_RELAXED));
    ev_feed_signal(signal_number);
}

static void on_told(struct ev_loop *ev, ev_signal *watcher, int events)
{
    const struct orphan *orphan = watcher->data;
    orphan->orphaned(orphan->data);
}

void orphan_listen(struct orphan *orphan, struct loop *loop, void (*orphaned)(void *data),
                   void *data)
{
    /* The second one ends the process. */
    struct sigaction action = {.sa_handler = on_master_dead,
                               .sa_flags = (int)(SA_RESTART | SA_RESETHAND)};

    *orphan = (struct orphan){.orphaned = orphaned, .data = data};
    ev_signal_init(&orphan->told, on_told, SIGALRM);
    orphan->told.data = orphan;
    ev_signal_start(loop->ev, &orphan->told);
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL); /* instead of libev's, which only tells the loop */
}

void orphan_stop(struct orphan *orphan, struct loop *loop)
{
    ev_signal_stop(loop->ev, &orphan->told);
}

void orphan_allow_turn(double seconds)
{
    __atomic_store_n(&turn_seconds_max, whole_seconds(seconds), __ATOMIC_RELAXED);
}

void orphan_allow(double seconds)
{
    alarm(whole_seconds(seconds));
}
