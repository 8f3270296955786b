/*
 * sockets — groups of one descriptor for each worker.
 */
#include "server/sockets.h"

#include <assert.h>
#include <stdio.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/listener.h"

#define BACKLOG    4096
#define LINE_BYTES (PLAN_SOURCE_BYTES + LISTENER_ERROR_BYTES + 4)

struct sockets_group {
    unsigned references;
    struct address address; /* bound to */
    size_t count;           /* at least one for each worker; of a unix socket one */
    size_t listening_count; /* of these, the first ones; the others are bound alone */
    int *fds;               /* -1: closed */
};

static bool is_unix(const struct address *address)
{
    return address->any.sa_family == AF_UNIX;
}

/* Workers take their sockets as cards are dealt; one of unix is everybody's. */
static bool is_of(const struct sockets_group *group, size_t i, unsigned worker_count,
                  unsigned worker)
{
    return is_unix(&group->address) || i % worker_count == worker;
}

static void group_release(struct sockets_group **pointer)
{
    struct sockets_group *group = *pointer;

    *pointer = NULL;
    if (--group->references > 0)
        return;
    for (size_t i = 0; i < group->count; i++)
        descriptor_close(&group->fds[i]);
    free(group->fds);
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

static bool add_fd(struct sockets_group *group, int fd)
{
    if (fd < 0)
        return false;
    group->fds = mem_resize(group->fds, (group->count + 1) * sizeof(fd));
    group->fds[group->count++] = fd;
    return true;
}

/* Where the first one is bound: with port 0 it chooses, the others follow. */
static void learn_address(struct sockets_group *group)
{
    struct address *address = &group->address;
    int v6_only = 1;
    socklen_t length = sizeof(v6_only);

    assert(group->fds != NULL);
    address->length = sizeof(address->path);
    if (getsockname(group->fds[0], &address->any, &address->length) != 0)
        address->length = 0;
    if (address->any.sa_family == AF_INET6)
        getsockopt(group->fds[0], IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &length);
    address->both_families = v6_only == 0;
}

/* `backlog` 0: they are not listened on yet. */
static bool add_sockets(struct sockets_group *group, size_t count, int backlog,
                        char error[LISTENER_ERROR_BYTES])
{
    while (group->count < count) {
        if (!add_fd(group, listener_open(&group->address, true, backlog, error)))
            return false;
        if (group->count == 1)
            learn_address(group);
        if (backlog > 0)
            group->listening_count++;
    }
    return true;
}

static bool open_sockets(struct sockets_group *group, unsigned worker_count,
                         char error[LISTENER_ERROR_BYTES])
{
    if (!is_unix(&group->address))
        return add_sockets(group, worker_count, BACKLOG, error);
    group->listening_count = 1;
    return add_fd(group, listener_open(&group->address, false, BACKLOG, error));
}

static struct sockets_group *new_group(const struct address *address)
{
    struct sockets_group *group = mem_zeroed(sizeof(*group));
    *group = (struct sockets_group){.references = 1, .address = *address};
    return group;
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
    struct sockets_group *group = new_group(&address);
    if (!open_sockets(group, worker_count, error))
        group_release(&group);
    return group;
}

void sockets_init(struct sockets *sockets, unsigned worker_count)
{
    *sockets = (struct sockets){.worker_count = worker_count};
}

void sockets_inherit(struct sockets *sockets, const int *fds, size_t count)
{
    static const struct address UNKNOWN;

    assert(count > 0 && sockets->count < PLAN_LISTENERS_MAX);
    sockets->groups[sockets->count++] = new_group(&UNKNOWN);
    sockets_inherit_more(sockets, fds, count);
    learn_address(sockets->groups[sockets->count - 1]);
}

void sockets_inherit_more(struct sockets *sockets, const int *fds, size_t count)
{
    assert(sockets->count > 0);
    struct sockets_group *group = sockets->groups[sockets->count - 1];

    for (size_t i = 0; i < count; i++)
        add_fd(group, fds[i]);
    group->listening_count = group->count;
}

/* With as many as there are workers; NULL when the system refuses. */
static struct sockets_group *share_group(struct sockets_group *group, unsigned worker_count,
                                         char error[LISTENER_ERROR_BYTES])
{
    if (!is_unix(&group->address) && !add_sockets(group, worker_count, 0, error))
        return NULL;
    group->references++;
    return group;
}

/* The group at `place` of those that there are, or a new one; NULL when it cannot be opened. */
static struct sockets_group *take_group(const struct plan_listener *listener,
                                        const struct sockets *current, size_t place,
                                        struct buffer *errors)
{
    char error[LISTENER_ERROR_BYTES], line[LINE_BYTES];
    unsigned worker_count = current->worker_count;
    struct sockets_group *group = place == PLAN_LISTENER_NEW
                                      ? open_group(listener->address, current, worker_count, error)
                                      : share_group(current->groups[place], worker_count, error);

    if (group == NULL) {
        int length = snprintf(line, sizeof(line), "%s: %s\n", listener->source, error);
        buffer_append(errors, slice_of(line, (size_t)length));
    }
    return group;
}

bool sockets_complete(const struct sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct sockets_group *group = sockets->groups[i];
        for (; group->listening_count < group->count; group->listening_count++) {
            if (listen(group->fds[group->listening_count], BACKLOG) != 0)
                return false;
        }
    }
    return true;
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

int sockets_fd(const struct sockets *sockets, size_t listener, unsigned worker, unsigned nth)
{
    assert(listener < sockets->count && worker < sockets->worker_count);
    const struct sockets_group *group = sockets->groups[listener];
    size_t i = is_unix(&group->address) ? nth : worker + (size_t)nth * sockets->worker_count;

    return i < group->count ? group->fds[i] : -1;
}

bool sockets_is_common(const struct sockets *sockets, size_t listener)
{
    assert(listener < sockets->count);
    return is_unix(&sockets->groups[listener]->address);
}

size_t sockets_all(const struct sockets *sockets, size_t listener, const int **fds)
{
    assert(listener < sockets->count);
    *fds = sockets->groups[listener]->fds;
    return sockets->groups[listener]->count;
}

void sockets_keep_only(struct sockets *sockets, unsigned worker)
{
    for (size_t i = 0; i < sockets->count; i++) {
        struct sockets_group *group = sockets->groups[i];
        for (size_t nth = 0; nth < group->count; nth++) {
            if (!is_of(group, nth, sockets->worker_count, worker))
                descriptor_close(&group->fds[nth]);
        }
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

bool sockets_share(const struct sockets *sockets, const struct sockets *other, size_t listener)
{
    assert(listener < other->count);
    return holds(sockets, other->groups[listener]);
}

static void bar_group(const struct sockets_group *group)
{
    if (is_unix(&group->address)) {
        unlink(group->address.path.sun_path);
        return;
    }
    for (size_t i = 0; i < group->count; i++)
        listener_bar(group->fds[i]);
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
