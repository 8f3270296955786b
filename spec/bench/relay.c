/*
 * relay — the floor: for each client a connection to the origin, read and write, and nothing
 * parsed.
 *
 * Usage: relay LISTEN_PORT ORIGIN_PORT, both on 127.0.0.1. One thread, epoll, no back-pressure: for
 * benchmarks only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, BUFFER_BYTES = 65536 };

struct side {
    int fd;
    struct side *other;
};

static char buffer[BUFFER_BYTES];

static struct sockaddr_in local(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void watch(int poll, struct side *side)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
    epoll_ctl(poll, EPOLL_CTL_ADD, side->fd, &event);
}

static void accept_one(int poll, int listener, const struct sockaddr_in *origin)
{
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    int upstream = socket(AF_INET, SOCK_STREAM, 0);
    struct side *sides = calloc(2, sizeof(*sides));

    if (client < 0 || sides == NULL ||
        connect(upstream, (const struct sockaddr *)origin, sizeof(*origin)) != 0)
        exit(1);
    fcntl(upstream, F_SETFL, O_NONBLOCK);
    set_no_delay(client);
    set_no_delay(upstream);
    sides[0] = (struct side){client, &sides[1]};
    sides[1] = (struct side){upstream, &sides[0]};
    watch(poll, &sides[0]);
    watch(poll, &sides[1]);
}

/* The pair stays allocated: another event of this turn may still point at it. */
static void close_pair(struct side *side)
{
    close(side->fd);
    close(side->other->fd);
    side->fd = side->other->fd = -1;
}

static void pass_on(struct side *side)
{
    if (side->fd < 0)
        return;
    ssize_t count = recv(side->fd, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0 || send(side->other->fd, buffer, (size_t)count, MSG_NOSIGNAL) != count)
        close_pair(side);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    struct sockaddr_in address = local(argv[1]), origin = local(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    int poll = epoll_create1(0);
    struct side accepting = {listener, NULL};
    struct epoll_event events[EVENTS_MAX];

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1024) != 0) {
        perror("relay");
        return 1;
    }
    watch(poll, &accepting);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (side == &accepting)
                accept_one(poll, listener, &origin);
            else
                pass_on(side);
        }
    }
}
