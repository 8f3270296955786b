/*
 * sockets — groups of one descriptor for each worker.
 */
#include "server/sockets.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listener.h"

#define BACKLOG    4096
#define LINE_BYTES (PLAN_SOURCE_BYTES + LISTENER_ERROR_BYTES + 4)

struct sockets_group {
    unsigned references, worker_count;
    struct address address; /* bound to */
    int fds[];              /* one for each worker, -1: closed; of a unix socket all are the same */
};

static bool is_unix(const struct address *address)
{
    return address->any.sa_family == AF_UNIX;
}

static void close_group(struct sockets_group *group)
{
    for (unsigned worker = 0; worker < group->worker_count; worker++) {
        bool is_copy = is_unix(&group->address) && worker > 0;
        if (group->fds[worker] >= 0 && !is_copy)
            close(group->fds[worker]);
    }
}

static void group_release(struct sockets_group **pointer)
{
    struct sockets_group *group = *pointer;

    *pointer = NULL;
    if (--group->references > 0)
        return;
    close_group(group);
    free(group);
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

/* Then a port may not be free because of us, whose sockets go with the reload that opens this. */
static bool has_port(const struct sockets *sockets, uint16_t port)
{
    for (size_t i = 0; i < sockets->count; i++) {
        const struct address *address = &sockets->groups[i]->address;
        if (!is_unix(address) && address_port(address) == port)
            return true;
    }
    return false;
}

/* With port 0 the first worker's socket chooses, the others follow. */
static bool open_sockets(struct sockets_group *group, char error[LISTENER_ERROR_BYTES])
{
    struct address *address = &group->address;

    for (unsigned worker = 0; worker < group->worker_count; worker++) {
        if (worker > 0 && is_unix(address)) {
            group->fds[worker] = group->fds[0];
            continue;
        }
        group->fds[worker] = listener_open(address, !is_unix(address), BACKLOG, error);
        if (group->fds[worker] < 0)
            return false;
        if (worker == 0 && !is_unix(address)) {
            address->length = sizeof(address->v6);
            if (getsockname(group->fds[0], &address->any, &address->length) != 0)
                return false;
        }
    }
    return true;
}

/* NULL with a sentence. */
static struct sockets_group *open_group(const char *text, const struct sockets *current,
                                        unsigned worker_count, char error[LISTENER_ERROR_BYTES])
{
    struct address address;

    snprintf(error, LISTENER_ERROR_BYTES, "%s is not an address", text);
    if (!address_parse(slice_from_string(text), &address))
        return NULL;
    uint16_t port = is_unix(&address) ? 0 : address_port(&address);
    if (port != 0 && !has_port(current, port) && !is_free(&address, error))
        return NULL;
    struct sockets_group *group =
        mem_zeroed(sizeof(*group) + (size_t)worker_count * sizeof(group->fds[0]));
    *group =
        (struct sockets_group){.references = 1, .worker_count = worker_count, .address = address};
    for (unsigned worker = 0; worker < worker_count; worker++)
        group->fds[worker] = -1;
    if (!open_sockets(group, error))
        group_release(&group);
    return group;
}

void sockets_init(struct sockets *sockets, unsigned worker_count)
{
    *sockets = (struct sockets){.worker_count = worker_count};
}

/* The group at `place` of those that there are, or a new one; NULL when it cannot be opened. */
static struct sockets_group *take_group(const struct plan_listener *listener,
                                        const struct sockets *current, size_t place,
                                        struct buffer *errors)
{
    char error[LISTENER_ERROR_BYTES], line[LINE_BYTES];

    if (place != PLAN_LISTENER_NEW) {
        current->groups[place]->references++;
        return current->groups[place];
    }
    struct sockets_group *group =
        open_group(listener->address, current, current->worker_count, error);
    if (group == NULL) {
        int length = snprintf(line, sizeof(line), "%s: %s\n", listener->source, error);
        buffer_append(errors, slice_of(line, (size_t)length));
    }
    return group;
}

bool sockets_open(struct sockets *sockets, const struct plan *plan, const struct sockets *current,
                  const struct plan *current_plan, struct buffer *errors)
{
    size_t places[PLAN_LISTENERS_MAX];
    struct sockets opened = {.worker_count = current->worker_count};

    plan_match_listeners(current_plan, plan, places);
    for (size_t i = 0; i < plan->listener_count; i++) {
        struct sockets_group *group = take_group(&plan->listeners[i], current, places[i], errors);
        if (group != NULL)
            opened.groups[opened.count++] = group;
    }
    if (opened.count < plan->listener_count) {
        sockets_close(&opened);
        return false;
    }
    *sockets = opened;
    return true;
}

void sockets_close(struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        group_release(&sockets->groups[i]);
    sockets->count = 0;
}

int sockets_fd(const struct sockets *sockets, size_t listener, unsigned worker)
{
    assert(listener < sockets->count && worker < sockets->worker_count);
    return sockets->groups[listener]->fds[worker];
}

void sockets_keep_only(struct sockets *sockets, unsigned worker)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct sockets_group *group = sockets->groups[i];
        int own = group->fds[worker];
        group->fds[worker] = -1;
        if (!is_unix(&group->address))
            close_group(group);
        for (unsigned other = 0; other < group->worker_count; other++)
            group->fds[other] = -1;
        group->fds[worker] = own;
    }
}

static bool holds(const struct sockets *sockets, const struct sockets_group *group)
{
    for (size_t i = 0; i < sockets->count; i++) {
        if (sockets->groups[i] == group)
            return true;
    }
    return false;
}

static void bar_group(const struct sockets_group *group)
{
    if (is_unix(&group->address)) {
        unlink(group->address.path.sun_path);
        return;
    }
    for (unsigned worker = 0; worker < group->worker_count; worker++)
        listener_bar(group->fds[worker]);
}

bool sockets_bar(const struct sockets *sockets, const struct plan *plan, const struct sockets *next)
{
    bool is_somebody_far = false;

    for (size_t i = 0; i < sockets->count; i++) {
        const struct sockets_group *group = sockets->groups[i];
        bool stays = next != NULL ? holds(next, group) : plan->listeners[i].is_admin;
        if (stays)
            continue;
        is_somebody_far |= !address_is_loopback(&group->address);
        bar_group(group);
    }
    return is_somebody_far;
}

void sockets_announce(const struct sockets *sockets, const struct plan *plan,
                      const struct sockets *current)
{
    for (size_t i = 0; i < sockets->count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        if (holds(current, sockets->groups[i]))
            continue;
        struct slice bound = address_format(&sockets->groups[i]->address, text);
        log_write(LOG_INFO, "%slistening on %.*s", plan->listeners[i].is_admin ? "admin " : "",
                  SLICE_FORMAT(bound));
    }
}
