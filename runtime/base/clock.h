/*
 * clock — the time in seconds, for whoever has no loop to ask (see loop_monotonic, loop_now).
 */
#pragma once

#include <time.h>

/* Since some fixed moment, only ever forward; by vDSO, so no system call. */
static inline double clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* That this thread has been on a processor. */
static inline double clock_thread_cpu(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* Since the epoch. */
static inline double clock_wall(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
