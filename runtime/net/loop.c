/*
 * loop — libev's loop, with work put off until it next waits.
 */
#include "net/loop.h"

#include <assert.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/timeout.h"

/* Some thirty years: far enough to never fire, near enough for a double to keep microseconds. */
#define CLOCK_SECONDS 1e9

/* Started again when the thread was interrupted meanwhile for longer, but not for ever. */
#define CLOCK_ERROR_SECONDS     1e-4
#define CLOCK_START_SECONDS_MAX 0.1

/* Moves all of `from` into the empty list `to`. */
static void list_move_all(struct list *from, struct list *to)
{
    list_init(to);
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to->prev->next = to;
    list_init(from);
}

static void run_all(struct list *items)
{
    struct list round;

    list_move_all(items, &round);
    while (!list_is_empty(&round)) {
        struct loop_deferred *item = CONTAINER_OF(round.next, struct loop_deferred, node);
        list_remove(&item->node);
        item->run(item);
    }
}

static void flush_all(struct loop *loop)
{
    while (!list_is_empty(&loop->flushes)) {
        struct loop_flush *item = CONTAINER_OF(loop->flushes.next, struct loop_flush, node);
        list_remove(&item->node);
        item->flush(item);
    }
    loop->flush_count = 0;
}

static void run_deferred(struct loop *loop)
{
    flush_all(loop);
    for (int i = 0; i < LOOP_DEFERRED_ROUNDS_MAX && !list_is_empty(&loop->deferred); i++)
        run_all(&loop->deferred);
    flush_all(loop);
}

static bool has_postponed(const struct loop *loop)
{
    return !list_is_empty(&loop->postponed) || !list_is_empty(&loop->overdue);
}

/* One store: another process may read it. */
static void set_turn(const struct loop *loop, double started)
{
    __atomic_store(loop->turn, &started, __ATOMIC_RELAXED);
}

static void on_before_wait(struct ev_loop *ev, ev_prepare *watcher, int events)
{
    struct loop *loop = watcher->data;

    run_deferred(loop);
    if (list_is_empty(&loop->deferred))
        ev_idle_stop(ev, &loop->unfinished);
    if (*loop->turn > 0 && loop->on_turn != NULL)
        loop->on_turn(loop->on_turn_data, clock_monotonic() - *loop->turn);
    set_turn(loop, 0);
}

static void on_after_wait(struct ev_loop *ev, ev_check *watcher, int events)
{
    struct loop *loop = watcher->data;

    loop->monotonic = CLOCK_SECONDS - ev_timer_remaining(loop->ev, &loop->clock);
    loop->turns_behind = 0;
    if (loop->on_turn != NULL)
        set_turn(loop, clock_monotonic());
}

/* What is deferred on_before_wait() does. */
static void on_unfinished(struct ev_loop *ev, ev_idle *watcher, int events)
{
}

static void start_postponement(struct loop *loop)
{
    ev_timer_set(&loop->postponement, LOOP_POSTPONED_SECONDS, 0);
    ev_timer_start(loop->ev, &loop->postponement);
}

static void on_postponement(struct ev_loop *ev, ev_timer *watcher, int events)
{
    struct loop *loop = watcher->data;

    run_all(&loop->overdue);
    list_move_all(&loop->postponed, &loop->overdue);
    if (has_postponed(loop) && !ev_is_active(&loop->postponement))
        start_postponement(loop);
}

static void on_clock(struct ev_loop *ev, ev_timer *watcher, int events)
{
    assert(!"the clock of a loop ran out");
}

/* Starts the clock, and notes when that was: never later than libev, which would make what counts
 * from loop_uptime() come early, and hardly earlier. */
static void start_clock(struct loop *loop)
{
    double until = clock_monotonic() + CLOCK_START_SECONDS_MAX;

    do {
        loop->created = clock_monotonic();
        ev_now_update(loop->ev);
    } while (clock_monotonic() - loop->created > CLOCK_ERROR_SECONDS && loop->created < until);
    ev_timer_start(loop->ev, &loop->clock);
}

/* The loop's own watchers do not count as something to wait for. */
static void start_watchers(struct loop *loop)
{
    ev_prepare_init(&loop->before_wait, on_before_wait);
    ev_set_priority(&loop->before_wait, EV_MINPRI);
    ev_check_init(&loop->after_wait, on_after_wait);
    ev_set_priority(&loop->after_wait, EV_MAXPRI);
    ev_idle_init(&loop->unfinished, on_unfinished);
    ev_timer_init(&loop->clock, on_clock, CLOCK_SECONDS, 0);
    ev_timer_init(&loop->postponement, on_postponement, 0, 0);
    loop->before_wait.data = loop->after_wait.data = loop->unfinished.data = loop;
    loop->postponement.data = loop;

    ev_prepare_start(loop->ev, &loop->before_wait);
    ev_check_start(loop->ev, &loop->after_wait);
    start_clock(loop);
    for (int i = 0; i < 3; i++)
        ev_unref(loop->ev);
}

static void stop_watchers(struct loop *loop)
{
    for (int i = 0; i < 3; i++)
        ev_ref(loop->ev);
    ev_prepare_stop(loop->ev, &loop->before_wait);
    ev_check_stop(loop->ev, &loop->after_wait);
    ev_timer_stop(loop->ev, &loop->clock);
    ev_idle_stop(loop->ev, &loop->unfinished);
    ev_timer_stop(loop->ev, &loop->postponement);
}

static int find_connection_fd_end(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    rlim_t reserved = limit.rlim_cur / 8;
    if (reserved > LOOP_RESERVED_DESCRIPTORS_MAX)
        reserved = LOOP_RESERVED_DESCRIPTORS_MAX;
    return (int)(limit.rlim_cur - reserved);
}

struct loop *loop_create(void)
{
    struct loop *loop = mem_zeroed(sizeof(*loop));

    /* Pipes know no MSG_NOSIGNAL. */
    signal(SIGPIPE, SIG_IGN);
    loop->ev = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
    if (loop->ev == NULL) {
        fprintf(stderr, "moongate: cannot create an event loop\n");
        abort();
    }
    loop->scratch = mem_alloc(LOOP_SCRATCH_BYTES);
    list_init(&loop->flushes);
    list_init(&loop->deferred);
    list_init(&loop->postponed);
    list_init(&loop->overdue);
    loop->turn = &loop->own_turn;
    loop->connection_fd_end = find_connection_fd_end();
    start_watchers(loop);
    return loop;
}

void loop_abandon(struct loop **loop)
{
    struct loop *gone = *loop;

    ev_loop_destroy(gone->ev);
    buffer_pool_clear(&gone->blocks);
    free(gone->scratch);
    free(gone);
    *loop = NULL;
}

void *loop_keep(struct loop *loop, const struct loop_kind *kind)
{
    struct loop_kept *kept = loop->kept;

    while (kept->kind != NULL && kept->kind != kind) {
        kept++;
        assert(kept < loop->kept + LOOP_KEPT_MAX);
    }
    if (kept->kind == NULL)
        *kept = (struct loop_kept){kind, kind->create()};
    return kept->thing;
}

static void destroy_kept(struct loop *loop)
{
    for (size_t i = 0; i < LOOP_KEPT_MAX && loop->kept[i].kind != NULL; i++)
        loop->kept[i].kind->destroy(loop->kept[i].thing);
}

void loop_destroy(struct loop **loop)
{
    struct loop *gone = *loop;

    run_deferred(gone); /* what was closed last frees itself there */
    assert(list_is_empty(&gone->flushes));
    assert(list_is_empty(&gone->deferred) && !has_postponed(gone));
    timeout_free_spares(gone);
    destroy_kept(gone);
    stop_watchers(gone);
    loop_abandon(loop);
}

void loop_run(struct loop *loop)
{
    ev_run(loop->ev, 0);
    set_turn(loop, 0); /* the last one was not waited after */
}

void loop_run_once(struct loop *loop)
{
    ev_run(loop->ev, EVRUN_ONCE);
    flush_all(loop);
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

void loop_flush_later(struct loop *loop, struct loop_flush *item)
{
    if (!list_is_empty(&item->node))
        return;
    list_push_back(&loop->flushes, &item->node);
    loop->flush_count++;
}

void loop_flush(struct loop *loop)
{
    if (loop->flush_count >= LOOP_FLUSHES_MAX)
        flush_all(loop);
}

void loop_defer(struct loop *loop, struct loop_deferred *item)
{
    if (!list_is_empty(&item->node))
        return;
    list_push_back(&loop->deferred, &item->node);
    ev_idle_start(loop->ev, &loop->unfinished);
}

void loop_postpone(struct loop *loop, struct loop_deferred *item)
{
    if (!list_is_empty(&item->node))
        return;
    list_push_back(&loop->postponed, &item->node);
    if (!ev_is_active(&loop->postponement))
        start_postponement(loop);
}
