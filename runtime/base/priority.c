/*
 * priority — sched_setscheduler, and the limit that stands before it.
 */
#include "base/priority.h"

#include <sched.h>
#include <sys/resource.h>

/* Each step is a factor of 1.25. */
#define LOW_NICE 15

bool priority_may_go_back(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NICE, &limit) != 0)
        return false;
    if (limit.rlim_cur < PRIORITY_NICE_LIMIT && limit.rlim_max >= PRIORITY_NICE_LIMIT) {
        limit.rlim_cur = PRIORITY_NICE_LIMIT;
        setrlimit(RLIMIT_NICE, &limit);
    }
    return limit.rlim_cur >= PRIORITY_NICE_LIMIT;
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
