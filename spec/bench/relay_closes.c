/*
 * relay_closes — the floor where each request has a connection of its own: accepted, watched, read,
 * passed on, answered and closed, and nothing parsed.
 *
 * Usage: relay_closes LISTEN_PORT ORIGIN_PORT, both on 127.0.0.1. Connections to the origin are
 * kept, so that all clients ask for the same. One thread, epoll, no back-pressure: for benchmarks
 * only.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "relay_socket.h"

struct side {
    int fd;             /* -1: closed */
    struct side *other; /* of a client, its connection to the origin, and the other way round */
    bool is_origin;
    bool is_asked;          /* of the origin's: it has not answered yet */
    struct side *next_idle; /* of the origin's that have no client */
};

static char buffer[BUFFER_BYTES];
static struct side *idle;

/* A pair whose second side is connected to the origin, and watched. */
static struct side *make_pair(int poll, const struct sockaddr_in *origin)
{
    struct side *sides = calloc(2, sizeof(*sides));

    if (sides == NULL)
        exit(1);
    sides[0] = (struct side){.fd = -1, .other = &sides[1]};
    sides[1] = (struct side){.fd = connect_to(origin), .other = &sides[0], .is_origin = true};
    watch(poll, sides[1].fd, &sides[1]);
    return sides;
}

static void accept_one(int poll, int listener, const struct sockaddr_in *origin)
{
    struct side *client = idle != NULL ? idle->other : make_pair(poll, origin);

    if (idle != NULL)
        idle = idle->next_idle;
    client->fd = accept_from(listener);
    watch(poll, client->fd, client);
}

static void close_client(struct side *client)
{
    struct side *origin = client->other;

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

/* The answer goes out in one segment with the end. */
static void answer(struct side *origin)
{
    ssize_t count = recv(origin->fd, buffer, sizeof(buffer), MSG_DONTWAIT);

    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0)
        exit(1);
    origin->is_asked = false;
    say_that_it_closes(buffer, (size_t)count);
    send(origin->other->fd, buffer, (size_t)count, MSG_NOSIGNAL | MSG_MORE);
    close_client(origin->other);
}

/* An event of a client that is closed may come behind its last. */
static void ask(struct side *client)
{
    static const char REQUEST[] = "GET /small HTTP/1.1\r\nHost: origin\r\n\r\n";

    if (client->fd < 0)
        return;
    ssize_t count = recv(client->fd, buffer, sizeof(buffer), 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        close_client(client);
        return;
    }
    client->other->is_asked = true;
    send(client->other->fd, REQUEST, sizeof(REQUEST) - 1, MSG_NOSIGNAL);
}

static void on_ready(void *data)
{
    struct side *side = data;
    (side->is_origin ? answer : ask)(side);
}

int main(int argc, char **argv)
{
    return relay_run(argc, argv, accept_one, on_ready);
}
