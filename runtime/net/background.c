/*
 * background — a stack of jobs for the thread, a stack of those done for the loop.
 *
 * There is no lock: an idle thread that was preempted while it held one would stop the loop. Only
 * the loop's thread changes how the other one is scheduled. A thread that finds nothing to do ends,
 * and whoever next has a job begins another, which waits for the end of the one before.
 */
#include "net/background.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priority.h"
#include "base/yielding.h"

#define RETRY_SECONDS 0.1

/* The newest on top. */
typedef _Atomic(struct background_job *) job_stack;

struct background {
    struct loop *loop;
    enum background_kind kind;
    ev_async news;
    ev_timer retry;    /* active while no thread can be had */
    ev_timer patience; /* active while jobs wait and the thread has not been raised */
    bool may_be_idle, is_raised;
    unsigned waiting; /* submitted, and not told that they are done */

    bool has_thread; /* one that was begun, and nobody has joined */
    pthread_t thread, before;
    bool has_before;        /* the new thread joins `before` */
    atomic_bool is_working; /* somebody looks after `todo` */
    atomic_int thread_id;   /* 0: not known yet */
    atomic_bool is_ending;  /* somebody waits for it */
    /* Microseconds of CPU that the dearest of the last jobs took, an eighth less with each later
     * one: what is built is followed by the freeing of what was built before. */
    atomic_llong usual;
    job_stack todo, finished;
};

/* Jobs wait, so there is a thread; it stays raised until it ends. */
static void raise_thread(struct background *background)
{
    pid_t thread_id = atomic_load(&background->thread_id);

    if (!background->may_be_idle || thread_id == 0 || background->is_raised)
        return;
    background->is_raised = true;
    priority_set_idle(thread_id, false);
}

static void push(job_stack *stack, struct background_job *job)
{
    job->next = atomic_load(stack);
    while (!atomic_compare_exchange_weak(stack, &job->next, job))
        continue;
}

/* All of them, the oldest first. */
static struct background_job *take_all(job_stack *stack)
{
    struct background_job *newest = atomic_exchange(stack, NULL), *oldest = NULL;

    while (newest != NULL) {
        struct background_job *job = newest;
        newest = job->next;
        job->next = oldest;
        oldest = job;
    }
    return oldest;
}

static void do_job(struct background *background, struct background_job *job)
{
    double started = clock_thread_cpu();

    job->work(job);
    long long took = (long long)((clock_thread_cpu() - started) * 1e6);
    long long before = atomic_load(&background->usual);
    before -= before / 8;
    atomic_store(&background->usual, took > before ? took : before);
}

static void work_off(struct background *background)
{
    struct background_job *next = take_all(&background->todo);

    while (next != NULL) {
        struct background_job *job = next;
        next = job->next;
        do_job(background, job);
        push(&background->finished, job);
        ev_async_send(background->loop->ev, &background->news);
    }
}

/* Whether there is more to do, and nobody else who does it. */
static bool goes_on(struct background *background)
{
    atomic_store(&background->is_working, false);
    return atomic_load(&background->todo) != NULL &&
           !atomic_exchange(&background->is_working, true);
}

/* Of its thread, which is known by now: whoever ends this has raised it, or it sees that. */
static void give_way(struct background *background)
{
    if (atomic_load(&background->is_ending) || background->kind != BACKGROUND_IDLE)
        return;
    if (!background->may_be_idle) {
        priority_lower(0);
        return;
    }
    priority_set_idle(0, true);
    if (atomic_load(&background->is_ending))
        priority_set_idle(0, false);
}

static void *run(void *data)
{
    struct background *background = data;

    pthread_setname_np(pthread_self(), "background");
    atomic_store(&background->thread_id, gettid());
    give_way(background);
    if (background->has_before)
        pthread_join(background->before, NULL);
    if (background->may_be_idle)
        yielding_begin();
    do
        work_off(background);
    while (goes_on(background));
    return NULL;
}

static void tell(struct background *background)
{
    struct background_job *next = take_all(&background->finished);

    while (next != NULL) {
        struct background_job *job = next;
        next = job->next;
        background->waiting--;
        job->done(job);
    }
}

static void on_news(struct ev_loop *ev, ev_async *watcher, int events)
{
    struct background *background = watcher->data;

    tell(background);
    if (background->waiting == 0)
        ev_timer_stop(ev, &background->patience);
    loop_flush(background->loop);
}

static void on_patience_over(struct ev_loop *ev, ev_timer *timer, int events)
{
    raise_thread(timer->data);
}

static bool begin_thread(struct background *background)
{
    sigset_t all, before;
    pthread_t thread;

    background->before = background->thread;
    background->has_before = background->has_thread;
    background->is_raised = false;
    atomic_store(&background->thread_id, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool has_begun = pthread_create(&thread, NULL, run, background) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (has_begun)
        background->thread = thread;
    background->has_thread = background->has_thread || has_begun;
    return has_begun;
}

/* Somebody looks after `todo` from now on; where no thread can be had, soon. */
static void see_to(struct background *background)
{
    if (atomic_exchange(&background->is_working, true) || begin_thread(background))
        return;
    log_write(LOG_ERROR, "no thread can be started for work in the background; trying again");
    atomic_store(&background->is_working, false);
    ev_timer_set(&background->retry, RETRY_SECONDS, 0);
    ev_timer_start(background->loop->ev, &background->retry);
}

static void on_retry(struct ev_loop *ev, ev_timer *timer, int events)
{
    see_to(timer->data);
}

struct background *background_create(struct loop *loop, enum background_kind kind)
{
    struct background *background = mem_zeroed(sizeof(*background));

    background->loop = loop;
    background->kind = kind;
    background->may_be_idle = kind == BACKGROUND_IDLE && priority_may_go_back();
    ev_async_init(&background->news, on_news);
    ev_init(&background->patience, on_patience_over);
    ev_timer_init(&background->retry, on_retry, RETRY_SECONDS, 0);
    background->news.data = background->patience.data = background->retry.data = background;
    ev_async_start(loop->ev, &background->news);
    ev_unref(loop->ev);
    return background;
}

void background_expect(struct background *background, double cpu_seconds)
{
    atomic_store(&background->usual, (long long)(cpu_seconds * 1e6));
}

void background_submit(struct background *background, struct background_job *job)
{
    assert(job->work != NULL && job->done != NULL);
    if (background->waiting++ == 0 && background->may_be_idle) {
        double usual = (double)atomic_load(&background->usual) * 1e-6;
        ev_timer_set(&background->patience, priority_patience(usual), 0);
        ev_timer_start(background->loop->ev, &background->patience);
    }
    push(&background->todo, job);
    if (!ev_is_active(&background->retry))
        see_to(background);
}

void background_destroy(struct background **background)
{
    struct background *gone = *background; /* where `done` still looks for it */

    atomic_store(&gone->is_ending, true);
    while (gone->has_thread || gone->waiting > 0) { /* once more for what `done` has submitted */
        if (gone->waiting > 0)
            raise_thread(gone);
        if (gone->has_thread)
            pthread_join(gone->thread, NULL);
        else
            work_off(gone); /* no thread could be had */
        gone->has_thread = false;
        tell(gone);
    }
    ev_ref(gone->loop->ev);
    ev_async_stop(gone->loop->ev, &gone->news);
    ev_timer_stop(gone->loop->ev, &gone->patience);
    ev_timer_stop(gone->loop->ev, &gone->retry);
    free(gone);
    *background = NULL;
}
