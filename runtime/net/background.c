/*
 * background — a stack of jobs for the thread, a stack of those done for the loop.
 *
 * There is no lock: an idle thread that was preempted while it held one would stop the loop. Only
 * the loop's thread changes how the other one is scheduled.
 */
#include "net/background.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/priority.h"

/* The newest on top. */
typedef _Atomic(struct background_job *) job_stack;

struct background {
    struct loop *loop;
    enum background_kind kind;
    ev_async news;
    ev_timer patience; /* active while jobs wait and the thread has not been raised */
    bool is_started, may_be_idle, is_raised;
    unsigned waiting; /* submitted, and not told that they are done */

    pthread_t thread;
    atomic_int thread_id; /* 0: not known yet */
    sem_t wake;           /* one for each job, and one for the end */
    job_stack todo, finished;
    atomic_bool is_stopping;
};

static void raise_thread(struct background *background, bool is_raised)
{
    pid_t thread_id = atomic_load(&background->thread_id);

    if (!background->may_be_idle || thread_id == 0 || background->is_raised == is_raised)
        return;
    background->is_raised = is_raised;
    priority_set_idle(thread_id, !is_raised);
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

static void work_off(struct background *background)
{
    struct background_job *next = take_all(&background->todo);

    while (next != NULL) {
        struct background_job *job = next;
        next = job->next;
        job->work(job);
        push(&background->finished, job);
        ev_async_send(background->loop->ev, &background->news);
    }
}

static void *run(void *data)
{
    struct background *background = data;

    pthread_setname_np(pthread_self(), "background");
    if (background->may_be_idle)
        priority_set_idle(0, true);
    else if (background->kind == BACKGROUND_IDLE)
        priority_lower(0);
    atomic_store(&background->thread_id, gettid());
    for (;;) {
        bool is_stopping = atomic_load(&background->is_stopping);
        work_off(background);
        if (is_stopping)
            return NULL;
        while (sem_wait(&background->wake) != 0)
            assert(errno == EINTR);
    }
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
    if (background->waiting == 0) {
        ev_timer_stop(ev, &background->patience);
        raise_thread(background, false);
    }
    loop_flush(background->loop);
}

static void on_patience_over(struct ev_loop *ev, ev_timer *timer, int events)
{
    raise_thread(timer->data, true);
}

static void start(struct background *background)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&background->thread, NULL, run, background) != 0) {
        log_write(LOG_ERROR, "no thread can be started for work in the background");
        abort();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    background->is_started = true;
}

struct background *background_create(struct loop *loop, enum background_kind kind)
{
    struct background *background = mem_zeroed(sizeof(*background));

    background->loop = loop;
    background->kind = kind;
    background->may_be_idle = kind == BACKGROUND_IDLE && priority_may_go_back();
    sem_init(&background->wake, 0, 0);
    ev_async_init(&background->news, on_news);
    ev_timer_init(&background->patience, on_patience_over, PRIORITY_PATIENCE_SECONDS, 0);
    background->news.data = background->patience.data = background;
    ev_async_start(loop->ev, &background->news);
    ev_unref(loop->ev);
    return background;
}

void background_submit(struct background *background, struct background_job *job)
{
    assert(job->work != NULL && job->done != NULL);
    if (!background->is_started)
        start(background);
    if (background->waiting++ == 0 && background->may_be_idle) {
        ev_timer_set(&background->patience, PRIORITY_PATIENCE_SECONDS, 0);
        ev_timer_start(background->loop->ev, &background->patience);
    }
    push(&background->todo, job);
    sem_post(&background->wake);
}

void background_destroy(struct background **background)
{
    struct background *gone = *background; /* where `done` still looks for it */

    raise_thread(gone, true);
    if (gone->is_started) {
        atomic_store(&gone->is_stopping, true);
        sem_post(&gone->wake);
        pthread_join(gone->thread, NULL);
    }
    tell(gone);
    while (gone->waiting > 0) { /* what `done` has submitted */
        work_off(gone);
        tell(gone);
    }
    ev_ref(gone->loop->ev);
    ev_async_stop(gone->loop->ev, &gone->news);
    ev_timer_stop(gone->loop->ev, &gone->patience);
    sem_destroy(&gone->wake);
    free(gone);
    *background = NULL;
}
