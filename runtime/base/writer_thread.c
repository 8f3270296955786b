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

void writer_thread_wake(struct writer_thread *thread, bool is_urgent)
{
    thread->has_work = true;
    if (thread->is_idle || is_urgent)
        pthread_cond_signal(&thread->wake);
}

static void await_work(struct writer_thread *thread)
{
    thread->is_idle = true;
    while (!thread->has_work && !thread->is_stopping)
        pthread_cond_wait(&thread->wake, &thread->mutex);
    thread->is_idle = false;
}

static void gather(struct writer_thread *thread)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WRITER_THREAD_GATHER_MILLISECONDS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&thread->wake, &thread->mutex, &until);
}

static void *run(void *data)
{
    struct writer_thread *thread = data;

    writer_thread_lock(thread);
    for (;;) {
        await_work(thread);
        thread->has_work = false;
        bool is_left = thread->work();
        thread->has_work = thread->has_work || is_left;
        if (thread->is_stopping && (!thread->has_work || clock_monotonic() > thread->stop_deadline))
            break;
        if (!thread->is_stopping)
            gather(thread);
    }
    thread->is_running = false;
    writer_thread_unlock(thread);
    return NULL;
}

void writer_thread_start(struct writer_thread *thread)
{
    sigset_t all, before;

    writer_thread_lock(thread);
    if (!thread->is_running) {
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        thread->is_stopping = false;
        thread->is_running = pthread_create(&thread->thread, NULL, run, thread) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    writer_thread_unlock(thread);
}

void writer_thread_stop(struct writer_thread *thread)
{
    struct timespec until;

    writer_thread_lock(thread);
    bool was_running = thread->is_running;
    thread->is_stopping = true;
    thread->stop_deadline = clock_monotonic() + WRITER_THREAD_STOP_SECONDS;
    pthread_cond_signal(&thread->wake);
    writer_thread_unlock(thread);
    if (!was_running)
        return;
    /* It may hang in a write that poll() had promised: another process was faster. */
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += WRITER_THREAD_STOP_SECONDS + 1;
    if (pthread_timedjoin_np(thread->thread, NULL, &until) != 0)
        pthread_detach(thread->thread);
}
