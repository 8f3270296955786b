/*
 * relay — the floor: for each client a connection to the origin, read and write, and nothing
 * parsed.
 *
 * Usage: relay LISTEN_PORT ORIGIN_PORT, both on 127.0.0.1. One thread, epoll, no back-pressure: for
 * benchmarks only.
 */
#include <errno.h>
#include <unistd.h>

#include "relay_socket.h"

struct side {
    int fd; /* -1: closed */
    struct side *other;
};

static char buffer[BUFFER_BYTES];

static void accept_one(int poll, int listener, const struct sockaddr_in *origin)
{
    struct side *sides = calloc(2, sizeof(*sides));

    if (sides == NULL)
        exit(1);
    sides[0] = (struct side){.fd = accept_from(listener), .other = &sides[1]};
    sides[1] = (struct side){.fd = connect_to(origin), .other = &sides[0]};
    watch(poll, sides[0].fd, &sides[0]);
    watch(poll, sides[1].fd, &sides[1]);
}

/* The pair stays allocated: another event of this turn may still point at it. */
static void close_pair(struct side *side)
{
    close(side->fd);
    close(side->other->fd);
    side->fd = side->other->fd = -1;
}

static void pass_on(void *data)
{
    struct side *side = data;

    if (side->fd < 0)
        return;
    ssize_t count = recv(side->fd, buffer, sizeof(buffer), MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0 || send(side->other->fd, buffer, (size_t)count, MSG_NOSIGNAL) != count)
        close_pair(side);
}

int main(int argc, char **argv)
{
    return relay_run(argc, argv, accept_one, pass_on);
}
