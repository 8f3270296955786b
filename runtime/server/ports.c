/*
 * ports — tries to bind, without listening, until it can or time is up.
 */
#include "server/ports.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bridge/plan.h"
#include "net/listener.h"

#define PAUSE_NANOSECONDS 20000000

static bool is_in_use(const struct plan_listener *listener)
{
    char error[LISTENER_ERROR_BYTES];
    struct address address;

    if (!address_parse(slice_from_string(listener->address), &address))
        return false;
    int fd = listener_open(&address, false, 0, error);
    if (fd < 0)
        return errno == EADDRINUSE;
    close(fd);
    return false;
}

/* NULL: none. */
static const struct plan_listener *first_in_use(const struct plan *plan)
{
    for (size_t i = 0; i < plan->listener_count; i++) {
        if (is_in_use(&plan->listeners[i]))
            return &plan->listeners[i];
    }
    return NULL;
}

void ports_await(const struct plan *plan)
{
    static const struct timespec PAUSE = {.tv_nsec = PAUSE_NANOSECONDS};
    double turn = plan->turn_seconds > 0 ? plan->turn_seconds : plan->drain_seconds;
    double deadline = clock_monotonic() + turn + PORTS_MARGIN_SECONDS;
    const struct plan_listener *busy = first_in_use(plan);

    if (busy != NULL)
        log_write(LOG_WARNING,
                  "the gateway before was killed, and %s is in use: waiting for its workers",
                  busy->address);
    while (first_in_use(plan) != NULL && clock_monotonic() < deadline)
        nanosleep(&PAUSE, NULL);
}
