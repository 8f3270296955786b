/*
 * sockets — one descriptor for each listener and worker.
 */
#include "server/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "net/listener.h"

#define BACKLOG 4096

static bool is_unix(const struct address *address)
{
    return address->any.sa_family == AF_UNIX;
}

static int *place(const struct sockets *sockets, size_t listener, size_t worker)
{
    return &sockets->fds[listener * sockets->worker_count + worker];
}

int sockets_fd(const struct sockets *sockets, size_t listener, unsigned worker)
{
    return *place(sockets, listener, worker);
}

/*
 * SO_REUSEPORT lets a second gateway of the same user bind a port that the first one listens on,
 * and the kernel would share connections out between them. So whoever opens a port has to get it
 * alone first.
 */
static bool is_free(const struct address *address, char error[LISTENER_ERROR_BYTES])
{
    int fd = listener_open(address, false, BACKLOG, error);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* With port 0 the first worker's socket chooses, the others follow. */
static bool open_listener(struct sockets *sockets, size_t listener, struct address *address,
                          char error[LISTENER_ERROR_BYTES])
{
    bool reuses_port = sockets->worker_count > 1 && !is_unix(address);

    if (reuses_port && address_port(address) != 0 && !is_free(address, error))
        return false;
    for (size_t worker = 0; worker < sockets->worker_count; worker++) {
        int *fd = place(sockets, listener, worker);
        if (worker > 0 && is_unix(address)) {
            *fd = *place(sockets, listener, 0);
            continue;
        }
        *fd = listener_open(address, reuses_port, BACKLOG, error);
        if (*fd < 0)
            return false;
        if (worker == 0 && !is_unix(address)) {
            address->length = sizeof(address->v6);
            if (getsockname(*fd, &address->any, &address->length) != 0)
                return false;
        }
    }
    return true;
}

static void sockets_init(struct sockets *sockets, const struct plan *plan, size_t worker_count)
{
    sockets->listener_count = plan->listener_count;
    sockets->worker_count = worker_count;
    sockets->fds = mem_zeroed_array(plan->listener_count * worker_count + 1, sizeof(int));
    for (size_t i = 0; i < plan->listener_count * worker_count; i++)
        sockets->fds[i] = -1;
}

static bool open_one(struct sockets *sockets, const struct plan *plan, size_t i,
                     struct buffer *errors)
{
    const struct plan_listener *listener = &plan->listeners[i];
    struct address address;
    char error[LISTENER_ERROR_BYTES], line[PLAN_SOURCE_BYTES + LISTENER_ERROR_BYTES];

    snprintf(error, sizeof(error), "%s is not an address", listener->address);
    if (address_parse(slice_from_string(listener->address), &address) &&
        open_listener(sockets, i, &address, error))
        return true;
    snprintf(line, sizeof(line), "%s: %s\n", listener->source, error);
    buffer_append(errors, slice_from_string(line));
    return false;
}

bool sockets_open(struct sockets *sockets, const struct plan *plan, unsigned worker_count,
                  struct buffer *errors)
{
    bool all_open = true;

    sockets_init(sockets, plan, worker_count);
    for (size_t i = 0; i < plan->listener_count; i++)
        all_open = open_one(sockets, plan, i, errors) && all_open;
    return all_open;
}

bool sockets_succeed(struct sockets *next, const struct sockets *current, const struct plan *from,
                     const struct plan *to, struct buffer *errors)
{
    size_t places[PLAN_LISTENERS_MAX];
    bool all_open = true;

    plan_match_listeners(from, to, places);
    sockets_init(next, to, current->worker_count);
    for (size_t i = 0; i < to->listener_count; i++) {
        if (places[i] == PLAN_LISTENER_NEW)
            all_open = open_one(next, to, i, errors) && all_open;
        else
            memcpy(place(next, i, 0), place(current, places[i], 0),
                   next->worker_count * sizeof(int));
    }
    if (!all_open)
        sockets_close_others(next, current);
    return all_open;
}

static bool is_shared_with(const struct sockets *sockets, size_t listener, size_t worker, int fd)
{
    return *place(sockets, listener, worker) == fd;
}

void sockets_keep_only(struct sockets *sockets, unsigned worker)
{
    for (size_t i = 0; i < sockets->listener_count; i++) {
        for (size_t other = 0; other < sockets->worker_count; other++) {
            int *fd = place(sockets, i, other);
            if (other == worker || *fd < 0 || is_shared_with(sockets, i, worker, *fd))
                continue;
            close(*fd);
            *fd = -1;
        }
    }
}

static void close_listener(struct sockets *sockets, size_t listener)
{
    for (size_t worker = 0; worker < sockets->worker_count; worker++) {
        int fd = *place(sockets, listener, worker);
        if (fd >= 0 && (worker == 0 || !is_shared_with(sockets, listener, 0, fd)))
            close(fd);
    }
    for (size_t worker = 0; worker < sockets->worker_count; worker++)
        *place(sockets, listener, worker) = -1;
}

static void forget(struct sockets *sockets)
{
    free(sockets->fds);
    *sockets = (struct sockets){0};
}

static bool has(const struct sockets *sockets, int fd)
{
    for (size_t i = 0; i < sockets->listener_count * sockets->worker_count; i++) {
        if (sockets->fds[i] == fd)
            return true;
    }
    return false;
}

void sockets_close_others(struct sockets *sockets, const struct sockets *kept)
{
    for (size_t i = 0; i < sockets->listener_count; i++) {
        if (!has(kept, *place(sockets, i, 0)))
            close_listener(sockets, i);
    }
    forget(sockets);
}

void sockets_close(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->listener_count; i++)
        close_listener(sockets, i);
    forget(sockets);
}

void sockets_announce(const struct sockets *sockets, const struct plan *plan)
{
    for (size_t i = 0; i < plan->listener_count; i++) {
        struct address address = {.length = sizeof(address) - sizeof(address.length)};
        char text[ADDRESS_TEXT_BYTES];
        if (getsockname(sockets_fd(sockets, i, 0), &address.any, &address.length) != 0)
            continue;
        struct slice bound = address_format(&address, text);
        log_write(LOG_INFO, "%slistening on %.*s", plan->listeners[i].is_admin ? "admin " : "",
                  SLICE_FORMAT(bound));
    }
}
