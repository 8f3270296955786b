/*
 * relay_socket — what the two relays of the bench have in common: sockets on 127.0.0.1, and the
 * loop.
 *
 * What fails ends the program: they are for benchmarks only.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { EVENTS_MAX = 256, BUFFER_BYTES = 65536 };

static inline struct sockaddr_in local(const char *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(port, NULL, 10))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static inline void set_no_delay(int fd)
{
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static inline void watch(int poll, int fd, void *data)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = data};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

/* Waits for the connection, and never again. */
static inline int connect_to(const struct sockaddr_in *origin)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)origin, sizeof(*origin)) != 0) {
        perror("relay: connect");
        exit(1);
    }
    set_no_delay(fd);
    return fd;
}

static inline int accept_from(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fd < 0) {
        perror("relay: accept4");
        exit(1);
    }
    return fd;
}

static inline int listen_on(const char *port)
{
    struct sockaddr_in address = local(port);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    set_no_delay(listener); /* those that are accepted inherit it */
    if (bind(listener, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(listener, 1024) != 0) {
        perror("relay: listen");
        exit(1);
    }
    return listener;
}

/*
 * Serves for ever, or says 2 of wrong arguments. `accept_one` is told of a connection that waits,
 * `on_ready` what was watched for whatever can be read.
 */
static inline int relay_run(int argc, char **argv,
                            void (*accept_one)(int poll, int listener,
                                               const struct sockaddr_in *origin),
                            void (*on_ready)(void *data))
{
    if (argc != 3)
        return 2;
    struct sockaddr_in origin = local(argv[2]);
    int listener = listen_on(argv[1]), poll = epoll_create1(0);
    struct epoll_event events[EVENTS_MAX];

    watch(poll, listener, NULL);
    for (;;) {
        int count = epoll_wait(poll, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                accept_one(poll, listener, &origin);
            else
                on_ready(events[i].data.ptr);
        }
    }
}
