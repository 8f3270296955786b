/*
 * priority — sched_setscheduler, and what stands before it: a limit, or a capability.
 */
#include "base/priority.h"

#include <errno.h>
#include <sched.h>
#include <sys/resource.h>

/* Each step is a factor of 1.25. */
#define LOW_NICE 15

/* A quarter of a second has all of the patience. */
#define PATIENCE_FACTOR 64

/* Whether a nice value may be made smaller whatever the limit says, which is tried: in a container
 * a process may have CAP_SYS_NICE and not the right. */
static bool is_capable(void)
{
    errno = 0;
    int nice = getpriority(PRIO_PROCESS, 0);

    if (errno != 0 || setpriority(PRIO_PROCESS, 0, nice - 1) != 0 ||
        getpriority(PRIO_PROCESS, 0) == nice)
        return false;
    setpriority(PRIO_PROCESS, 0, nice);
    return true;
}

bool priority_may_go_back(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NICE, &limit) != 0)
        return false;
    if (limit.rlim_cur < PRIORITY_NICE_LIMIT && limit.rlim_max >= PRIORITY_NICE_LIMIT) {
        limit.rlim_cur = PRIORITY_NICE_LIMIT;
        setrlimit(RLIMIT_NICE, &limit);
    }
    return limit.rlim_cur >= PRIORITY_NICE_LIMIT || is_capable();
}

double priority_patience(double cpu_seconds)
{
    double seconds = cpu_seconds * cpu_seconds * PATIENCE_FACTOR;

    if (seconds < PRIORITY_PATIENCE_SECONDS_MIN)
        return PRIORITY_PATIENCE_SECONDS_MIN;
    return seconds < PRIORITY_PATIENCE_SECONDS_MAX ? seconds : PRIORITY_PATIENCE_SECONDS_MAX;
}

void priority_lower(pid_t thread)
{
    setpriority(PRIO_PROCESS, (id_t)thread, LOW_NICE);
}

void priority_set_idle(pid_t thread, bool is_idle)
{
    static const struct sched_param NO_PRIORITY = {0};
    sched_setscheduler(thread, is_idle ? SCHED_IDLE : SCHED_OTHER, &NO_PRIORITY);
}
