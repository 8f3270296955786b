/*
 * worker_listeners — tells the gateway where to begin, and where to stop.
 */
#include "server/worker_listeners.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "bridge/generation.h"
#include "server/sockets.h"

void worker_listeners_init(struct worker_listeners *listeners, struct gateway *gateway)
{
    *listeners = (struct worker_listeners){.gateway = gateway};
}

void worker_listeners_clear(struct worker_listeners *listeners)
{
    for (size_t i = 0; i < listeners->plan.listener_count; i++)
        free(listeners->sockets[i].fds);
    listeners->plan.listener_count = 0;
}

static void add(struct worker_sockets *sockets, int fd)
{
    sockets->fds = mem_resize(sockets->fds, (sockets->count + 1) * sizeof(fd));
    sockets->fds[sockets->count++] = fd;
}

static void listen_on(const struct worker_listeners *listeners, const struct generation *generation,
                      size_t listener)
{
    const struct worker_sockets *sockets = &listeners->sockets[listener];

    for (size_t i = 0; i < sockets->count; i++)
        gateway_listen(listeners->gateway, sockets->fds[i],
                       generation_listener(generation, listener));
}

void worker_listeners_open(struct worker_listeners *listeners, const struct generation *generation,
                           const struct sockets *sockets, unsigned worker)
{
    assert(listeners->plan.listener_count == 0);
    listeners->plan = *generation_plan(generation);
    for (size_t i = 0; i < listeners->plan.listener_count; i++) {
        int fd;
        for (unsigned nth = 0; (fd = sockets_fd(sockets, i, worker, nth)) >= 0; nth++)
            add(&listeners->sockets[i], fd);
        listen_on(listeners, generation, i);
    }
}

static void stop_listening(const struct worker_listeners *listeners, struct worker_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        gateway_stop_listening(listeners->gateway, sockets->fds[i]);
    free(sockets->fds);
    *sockets = (struct worker_sockets){0};
}

void worker_listeners_change(struct worker_listeners *listeners,
                             const struct generation *generation, const int *fds)
{
    const struct plan *plan = generation_plan(generation);
    size_t places[PLAN_LISTENERS_MAX];
    struct worker_sockets before[PLAN_LISTENERS_MAX];

    plan_match_listeners(&listeners->plan, plan, places);
    memcpy(before, listeners->sockets, sizeof(before));
    memset(listeners->sockets, 0, sizeof(listeners->sockets));
    for (size_t i = 0; i < plan->listener_count; i++) {
        if (places[i] == PLAN_LISTENER_NEW) {
            add(&listeners->sockets[i], *fds++);
        } else {
            listeners->sockets[i] = before[places[i]];
            before[places[i]] = (struct worker_sockets){0};
        }
        listen_on(listeners, generation, i);
    }
    for (size_t i = 0; i < listeners->plan.listener_count; i++)
        stop_listening(listeners, &before[i]);
    listeners->plan = *plan;
}

void worker_listeners_leave(struct worker_listeners *listeners, struct slice is_kept)
{
    for (size_t i = 0; i < listeners->plan.listener_count; i++) {
        struct worker_sockets *sockets = &listeners->sockets[i];
        if (i < is_kept.length && is_kept.start[i] == '0') {
            stop_listening(listeners, sockets);
            continue;
        }
        for (size_t nth = 0; nth < sockets->count; nth++)
            gateway_leave(listeners->gateway, sockets->fds[nth]);
    }
}
