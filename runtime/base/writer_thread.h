/*
 * writer_thread — a thread that is woken when there is work, and lets more of it gather first.
 *
 * It works at most once in WRITER_THREAD_GATHER_MILLISECONDS, so that those who bring work wake it
 * (a system call) no more often than that. When it has had nothing to do for a while it ends, and
 * the next work begins another: in a process of one thread the kernel need not count who uses a
 * descriptor. One mutex guards both its state and its owner's.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>

#define WRITER_THREAD_GATHER_MILLISECONDS 50
#define WRITER_THREAD_IDLE_SECONDS        1
/* What is left after that when the thread is stopped, stays undone. */
#define WRITER_THREAD_STOP_SECONDS 2

struct writer_thread {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    pthread_t thread;
    /*
     * With the mutex, which it may give up meanwhile. Whether something is left that cannot be
     * done now.
     */
    bool (*work)(void);
    bool is_running; /* between start and stop: work is its, whether there is a thread or not */
    bool is_alive, is_stopping, is_idle, has_work;
    double stop_deadline;
};

/* Also in a forked child, which has no thread, whoever held the mutex in its parent. */
void writer_thread_init(struct writer_thread *thread, bool (*work)(void));
/* Ignored while it runs. Work that comes is done by a thread in which all signals are blocked. */
void writer_thread_start(struct writer_thread *thread);
/* Ends it when no work is left, or after WRITER_THREAD_STOP_SECONDS. Ignored when none runs. */
void writer_thread_stop(struct writer_thread *thread);

void writer_thread_lock(struct writer_thread *thread);
void writer_thread_unlock(struct writer_thread *thread);
/* With the mutex, while it runs: there is work. `is_urgent`: it does not wait for more of it. */
void writer_thread_wake(struct writer_thread *thread, bool is_urgent);
