/*
 * clock — seconds that only go forward, for whoever has no loop to ask (see loop_monotonic).
 */
#pragma once

#include <time.h>

/* Since some fixed moment; by vDSO, so no system call. */
static inline double clock_monotonic(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
