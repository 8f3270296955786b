/*
 * priority — a thread that takes only what others leave of the processors (SCHED_IDLE), and gets
 * its share back.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

/* The RLIMIT_NICE with which a thread may go back from idle to nice 0. */
#define PRIORITY_NICE_LIMIT 20
/* How long something may wait for what an idle thread does, until that gets its share. */
#define PRIORITY_PATIENCE_SECONDS_MIN 0.1
#define PRIORITY_PATIENCE_SECONDS_MAX 4.0

/* Whether threads of this process may go back; a soft limit that is too low is raised, and who has
 * CAP_SYS_NICE needs none. One that could not should not become idle. */
bool priority_may_go_back(void);
/* Between these two: it grows with the square of the processor time that it took the last time, in
 * seconds; 0: not known. What takes a moment holds nobody up, and should not wait where others
 * leave nothing; what takes a quarter of a second, in each worker, is noticed by their clients. */
double priority_patience(double cpu_seconds);
/* Of a thread, or of a process that has one alone; 0: the calling thread. */
void priority_set_idle(pid_t thread, bool is_idle);
/* For good, where it could not go back from being idle: it has a thirtieth of the weight of others.
 */
void priority_lower(pid_t thread);
