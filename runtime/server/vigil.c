/*
 * vigil — one look at all workers after the other.
 */
#include "server/vigil.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bridge/whereabouts.h"
#include "net/loop.h"
#include "server/workforce.h"
#include "shm/shared.h"

/* Not a time: of a worker that a signal has stopped. */
#define TURN_STOPPED (-1.0)
/* Of the texts of a line of the log. */
#define TEXT_BYTES 1024

enum suspicion { SUSPICION_NONE, SUSPICION_ASKED, SUSPICION_KILLED };

/* What is known of a worker. */
struct vigil_subject {
    pid_t pid;
    double turn;  /* that it was in at the last look */
    double seen;  /* for how long, in seconds during which we looked */
    double began; /* monotonic seconds, of what it is in */
    enum suspicion suspicion;
};

static struct worker_place *place_of(const struct vigil *vigil, unsigned worker)
{
    return shared_place(vigil->options.shared, worker);
}

static double turn_of(const struct vigil *vigil, unsigned worker)
{
    if (vigil->options.workforce->members[worker].is_stopped)
        return TURN_STOPPED;
    return worker_place_turn(place_of(vigil, worker));
}

/* ", route X, generation 3" and so on, as far as it is known. */
static int describe(const struct vigil *vigil, const struct worker_sight *sight,
                    char text[TEXT_BYTES])
{
    struct slice plugin = plugin_accounts_name(&vigil->options.shared->accounts, sight->plugin);

    if (sight->phase == WORKER_PHASE_NONE)
        return snprintf(text, TEXT_BYTES, "outside of plugins");
    if (sight->phase == WORKER_PHASE_WHEN)
        plugin = SLICE("(a route's when)");
    return snprintf(text, TEXT_BYTES,
                    "plugin %.*s, in its %s phase, route %.*s, generation %llu%s%.*s",
                    SLICE_FORMAT(plugin), worker_phase_name(sight->phase),
                    SLICE_FORMAT(sight->route.length > 0 ? sight->route : SLICE("none")),
                    (unsigned long long)sight->generation, sight->lines.length > 0 ? ", at " : "",
                    SLICE_FORMAT(sight->lines));
}

static void kill_subject(struct vigil *vigil, unsigned worker)
{
    struct vigil_subject *subject = &vigil->subjects[worker];
    struct worker_sight sight = worker_place_read(place_of(vigil, worker));
    char where[TEXT_BYTES];

    describe(vigil, &sight, where);
    log_write(LOG_ERROR, "worker %u (pid %d) has been %s for %.1f s and is replaced: %s",
              worker + 1, (int)subject->pid, subject->turn == TURN_STOPPED ? "stopped" : "stuck",
              clock_monotonic() - subject->began, where);
    kill(subject->pid, SIGKILL);
    subject->suspicion = SUSPICION_KILLED;
    vigil->ended++;
}

/* Its thread with the loop, which alone may touch what that runs. */
static void ask(struct vigil *vigil, unsigned worker)
{
    struct vigil_subject *subject = &vigil->subjects[worker];

    worker_place_ask(place_of(vigil, worker));
    syscall(SYS_tgkill, subject->pid, subject->pid, WHEREABOUTS_SIGNAL);
    subject->suspicion = SUSPICION_ASKED;
}

static void forgive(struct vigil *vigil, unsigned worker)
{
    struct vigil_subject *subject = &vigil->subjects[worker];

    if (subject->suspicion == SUSPICION_ASKED)
        log_write(LOG_WARNING, "worker %u (pid %d) was stuck for %.1f s, and goes on", worker + 1,
                  (int)subject->pid, clock_monotonic() - subject->began);
    subject->suspicion = SUSPICION_NONE;
    subject->seen = 0;
}

/* True when it is to be looked at again soon. */
static bool look_at(struct vigil *vigil, unsigned worker, double elapsed, double now)
{
    struct vigil_subject *subject = &vigil->subjects[worker];
    pid_t pid = vigil->options.workforce->members[worker].pid;
    double budget = *vigil->options.turn_seconds;
    double turn = turn_of(vigil, worker);

    if (pid != subject->pid)
        *subject = (struct vigil_subject){.pid = pid};
    if (turn != subject->turn || turn == 0 || budget <= 0) {
        forgive(vigil, worker);
        subject->turn = turn;
        subject->began = turn > 0 ? turn : now;
        return false;
    }
    subject->seen += elapsed;
    /* Half of it at least while we looked: the rest may be the time before the first look. */
    if (pid == 0 || now - subject->began < budget || subject->seen < budget / 2)
        return false;
    if (subject->suspicion == SUSPICION_NONE)
        ask(vigil, worker);
    else if (subject->suspicion == SUSPICION_ASKED)
        kill_subject(vigil, worker);
    return subject->suspicion == SUSPICION_ASKED;
}

static double interval(const struct vigil *vigil)
{
    double seconds = *vigil->options.turn_seconds / 8;

    if (seconds <= 0 || seconds > VIGIL_LOOK_SECONDS_MAX)
        return VIGIL_LOOK_SECONDS_MAX;
    return seconds > VIGIL_LOOK_SECONDS_MIN ? seconds : VIGIL_LOOK_SECONDS_MIN;
}

static double seconds_in_turn(const struct vigil *vigil, unsigned worker, double now)
{
    double turn = turn_of(vigil, worker);

    if (turn > 0)
        return now - turn;
    return turn == TURN_STOPPED ? now - vigil->subjects[worker].began : 0;
}

static void on_look(struct ev_loop *ev, ev_timer *timer, int events)
{
    struct vigil *vigil = timer->data;
    double now = clock_monotonic(), elapsed = now - vigil->looked;
    double elapsed_max = 2 * interval(vigil);
    bool is_urgent = false;

    vigil->looked = now;
    if (elapsed > elapsed_max)
        elapsed = elapsed_max;
    for (unsigned i = 0; i < vigil->options.workforce->options.count; i++) {
        is_urgent |= look_at(vigil, i, elapsed, now);
        vigil->options.on_look(vigil->options.data, i, seconds_in_turn(vigil, i, now));
    }
    ev_timer_set(timer, is_urgent ? VIGIL_ANSWER_SECONDS : interval(vigil), 0);
    ev_timer_start(ev, timer);
}

void vigil_start(struct vigil *vigil, const struct vigil_options *options)
{
    *vigil = (struct vigil){.options = *options, .looked = clock_monotonic()};
    vigil->subjects = mem_zeroed_array(options->workforce->options.count, sizeof(*vigil->subjects));
    ev_timer_init(&vigil->look, on_look, interval(vigil), 0);
    vigil->look.data = vigil;
    ev_timer_start(options->loop->ev, &vigil->look);
}

void vigil_stop(struct vigil *vigil)
{
    ev_timer_stop(vigil->options.loop->ev, &vigil->look);
    free(vigil->subjects);
    *vigil = (struct vigil){0};
}
