/*
 * backoff — a count of ends that came soon, and the pause that follows from it.
 */
#include "server/backoff.h"

#include <math.h>

double backoff_pause(struct backoff *backoff, double served_seconds, double random)
{
    if (served_seconds >= BACKOFF_LONG_SECONDS)
        backoff->soon_count = 0;
    if (served_seconds >= BACKOFF_SOON_SECONDS)
        return 0;
    if (backoff->soon_count++ == 0)
        return 0;
    double pause = ldexp(BACKOFF_FIRST_SECONDS, (int)backoff->soon_count - 2);
    return fmin(pause, BACKOFF_MAX_SECONDS) * (1 + BACKOFF_RANDOM_SHARE * (2 * random - 1));
}
