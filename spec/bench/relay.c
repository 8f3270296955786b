/*
 * relay — the floor: for each client a connection to the origin, read and write, and nothing
 * parsed.
 *
 * Usage: relay LISTEN_PORT ORIGIN_PORT [closes], both on 127.0.0.1. `closes`: each answer ends its
 * client's connection, while those to the origin stay; all clients ask for the same then. One
 * thread, epoll, no back-pressure: for benchmarks only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 256, BUFFER_BYTES = 65536 };

struct side {
    int fd; /* -1: closed */
    struct side *other;
    bool is_origin, is_asked; /* asked: the origin, and has not answered yet */
    struct side *next_idle;   /* of the origin's sides that have no client */
};

static char buffer[BUFFER_BYTES];
static struct side *idle; /* where each answer ends its connection */

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

/* A pair whose second side is connected to the origin, and watched. */
static struct side *make_pair(int poll, const struct sockaddr_in *origin)
{
    int upstream = socket(AF_INET, SOCK_STREAM, 0);
    struct side *sides = calloc(2, sizeof(*sides));

    if (sides == NULL || connect(upstream, (const struct sockaddr *)origin, sizeof(*origin)) != 0)
        exit(1);
    fcntl(upstream, F_SETFL, O_NONBLOCK);
    set_no_delay(upstream);
    sides[0] = (struct side){.fd = -1, .other = &sides[1]};
    sides[1] = (struct side){.fd = upstream, .other = &sides[0], .is_origin = true};
    watch(poll, &sides[1]);
    return sides;
}

static int accept_client(int listener)
{
    int client = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (client < 0)
        exit(1);
    return client;
}

static void accept_one(int poll, int listener, const struct sockaddr_in *origin)
{
    struct side *client = make_pair(poll, origin);

    client->fd = accept_client(listener);
    watch(poll, client);
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

static void close_client(struct side *client)
{
    struct side *origin = client->other;

    shutdown(client->fd, SHUT_WR);
    close(client->fd);
    client->fd = -1;
    if (origin->is_asked)
        return;
    origin->next_idle = idle;
    idle = origin;
}

/* As long as before: what follows it stays where it is. */
static void say_that_it_closes(char *answer, size_t length)
{
    static const char STAYS[] = "Connection: keep-alive", CLOSES[] = "Connection: close     ";
    char *found = memmem(answer, length, STAYS, sizeof(STAYS) - 1);
    if (found != NULL)
        memcpy(found, CLOSES, sizeof(CLOSES) - 1);
}

static void answer_and_close(struct side *origin)
{
    ssize_t count = recv(origin->fd, buffer, sizeof(buffer), 0);

    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0)
        exit(1);
    origin->is_asked = false;
    say_that_it_closes(buffer, (size_t)count);
    send(origin->other->fd, buffer, (size_t)count, MSG_NOSIGNAL | MSG_MORE);
    close_client(origin->other);
}

/* False when nothing has come yet. An event of a client that is closed may come behind its last. */
static bool ask(struct side *client)
{
    static const char REQUEST[] = "GET /small HTTP/1.1\r\nHost: origin\r\n\r\n";

    if (client->fd < 0)
        return true;
    ssize_t count = recv(client->fd, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EAGAIN)
        return false;
    if (count <= 0) {
        close_client(client);
    } else {
        client->other->is_asked = true;
        send(client->other->fd, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL);
    }
    return true;
}

static void accept_once(int poll, int listener, const struct sockaddr_in *origin)
{
    struct side *client = idle != NULL ? idle->other : make_pair(poll, origin);

    if (idle != NULL)
        idle = idle->next_idle;
    client->fd = accept_client(listener);
    if (!ask(client))
        watch(poll, client);
}

static int listen_on(const char *port)
{
    struct sockaddr_in address = local(port);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    set_no_delay(listener); /* those that are accepted inherit it */
    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1024) != 0) {
        perror("relay");
        exit(1);
    }
    return listener;
}

static void on_ready(struct side *side, bool closes)
{
    if (!closes)
        pass_on(side);
    else if (side->is_origin)
        answer_and_close(side);
    else
        ask(side);
}

int main(int argc, char **argv)
{
    bool closes = argc == 4 && strcmp(argv[3], "closes") == 0;
    if (argc != 3 && !closes)
        return 2;
    struct sockaddr_in origin = local(argv[2]);
    int listener = listen_on(argv[1]), poll = epoll_create1(0);
    struct side accepting = {.fd = listener};
    struct epoll_event events[EVENTS_MAX];

    watch(poll, &accepting);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            struct side *side = events[i].data.ptr;
            if (side == &accepting)
                (closes ? accept_once : accept_one)(poll, listener, &origin);
            else
                on_ready(side, closes);
        }
    }
}
