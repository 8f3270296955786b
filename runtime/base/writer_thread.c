/*
 * writer_thread — its two ways of waiting: for work, and for more of it.
 */
#include "base/writer_thread.h"

#include <signal.h>
#include <time.h>

#include "base/clock.h"

void writer_thread_init(struct writer_thread *thread, bool (*work)(void))
{
    pthread_condattr_t attributes;

    *thread = (struct writer_thread){.work = work};
    pthread_mutex_init(&thread->mutex, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&thread->wake, &attributes);
    pthread_condattr_destroy(&attributes);
}

void writer_thread_lock(struct writer_thread *thread)
{
    pthread_mutex_lock(&thread->mutex);
}

void writer_thread_unlock(struct writer_thread *thread)
{
    pthread_mutex_unlock(&thread->mutex);
}

static struct timespec in_milliseconds(clockid_t clock, long milliseconds)
{
    struct timespec until;

    clock_gettime(clock, &until);
    until.tv_sec += milliseconds / 1000;
    until.tv_nsec += milliseconds % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    return until;
}

/* Whether there is work, or an end to come to; else there was nothing for too long. */
static bool await_work(struct writer_thread *thread)
{
    const struct timespec until =
        in_milliseconds(CLOCK_MONOTONIC, WRITER_THREAD_IDLE_SECONDS * 1000L);
    int error = 0;

    thread->is_idle = true;
    while (!thread->has_work && !thread->is_stopping && error == 0)
        error = pthread_cond_timedwait(&thread->wake, &thread->mutex, &until);
    thread->is_idle = false;
    return thread->has_work || thread->is_stopping;
}

static void gather(struct writer_thread *thread)
{
    const struct timespec until =
        in_milliseconds(CLOCK_MONOTONIC, WRITER_THREAD_GATHER_MILLISECONDS);

    pthread_cond_timedwait(&thread->wake, &thread->mutex, &until);
}

static void *run(void *data)
{
    struct writer_thread *thread = data;

    writer_thread_lock(thread);
    while (await_work(thread)) {
        thread->has_work = false;
        bool is_left = thread->work();
        thread->has_work = thread->has_work || is_left;
        if (thread->is_stopping && (!thread->has_work || clock_monotonic() > thread->stop_deadline))
            break;
        if (!thread->is_stopping)
            gather(thread);
    }
    thread->is_alive = false;
    if (thread->is_stopping)
        thread->is_running = false;
    else /* nobody waits for its end */
        pthread_detach(pthread_self());
    writer_thread_unlock(thread);
    return NULL;
}

/* With the mutex. Where no thread can be had, the work waits for the next that comes. */
static void begin(struct writer_thread *thread)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    thread->is_alive = pthread_create(&thread->thread, NULL, run, thread) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void writer_thread_wake(struct writer_thread *thread, bool is_urgent)
{
    thread->has_work = true;
    if (!thread->is_alive)
        begin(thread);
    else if (thread->is_idle || is_urgent)
        pthread_cond_signal(&thread->wake);
}

void writer_thread_start(struct writer_thread *thread)
{
    writer_thread_lock(thread);
    if (!thread->is_running) {
        thread->is_running = true;
        thread->is_stopping = false;
    }
    writer_thread_unlock(thread);
}

void writer_thread_stop(struct writer_thread *thread)
{
    writer_thread_lock(thread);
    bool was_alive = thread->is_alive;
    if (!was_alive) {
        if (thread->is_running && thread->has_work) /* no thread could be had for it */
            thread->work();
        thread->is_running = false;
    }
    thread->is_stopping = true;
    thread->stop_deadline = clock_monotonic() + WRITER_THREAD_STOP_SECONDS;
    pthread_cond_signal(&thread->wake);
    writer_thread_unlock(thread);
    if (!was_alive)
        return;
    /* It may hang in a write that poll() had promised: another process was faster. */
    const struct timespec until =
        in_milliseconds(CLOCK_REALTIME, (WRITER_THREAD_STOP_SECONDS + 1) * 1000L);
    if (pthread_timedjoin_np(thread->thread, NULL, &until) != 0)
        pthread_detach(thread->thread);
}
