/*
 * dns_channel — c-ares' sockets and deadlines as watchers of a loop.
 */
#include "net/dns_channel.h"

#include <assert.h>
#include <math.h>

#include "base/mem.h"
#include "net/dns_channel_internal.h"

#define TRY_SECONDS 2
/* Per server; each round waits twice as long as the one before. */
#define TRIES 2

/* A descriptor that c-ares opened. */
struct dns_socket {
    struct list node;
    struct dns_channel *channel;
    ev_io watcher;
};

struct dns_lookup {
    struct dns_channel *channel;
    dns_looked_up *done;
    void *data;
};

void dns_channel_set_deadline(struct dns_channel *channel)
{
    struct timeval left;

    ev_timer_stop(channel->loop->ev, &channel->deadline);
    if (ares_timeout(channel->ares, NULL, &left) == NULL)
        return;
    ev_timer_set(&channel->deadline, (double)left.tv_sec + (double)left.tv_usec / 1e6, 0);
    ev_timer_start(channel->loop->ev, &channel->deadline);
}

static void on_deadline(struct ev_loop *ev, ev_timer *watcher, int events)
{
    struct dns_channel *channel = watcher->data;

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    dns_channel_set_deadline(channel);
}

/* The socket's watcher may be gone when c-ares returns. */
static void on_socket(struct ev_loop *ev, ev_io *watcher, int events)
{
    const struct dns_socket *dns_socket = watcher->data;
    struct dns_channel *channel = dns_socket->channel;
    ares_socket_t fd = watcher->fd;

    ares_process_fd(channel->ares, (events & EV_READ) != 0 ? fd : ARES_SOCKET_BAD,
                    (events & EV_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    dns_channel_set_deadline(channel);
}

static struct dns_socket *find_socket(struct dns_channel *channel, ares_socket_t fd)
{
    for (struct list *node = channel->sockets.next; node != &channel->sockets; node = node->next) {
        struct dns_socket *dns_socket = CONTAINER_OF(node, struct dns_socket, node);
        if (dns_socket->watcher.fd == fd)
            return dns_socket;
    }
    return NULL;
}

static struct dns_socket *add_socket(struct dns_channel *channel, ares_socket_t fd)
{
    struct dns_socket *dns_socket = mem_zeroed(sizeof(*dns_socket));
    dns_socket->channel = channel;
    ev_io_init(&dns_socket->watcher, on_socket, fd, 0);
    dns_socket->watcher.data = dns_socket;
    list_push_back(&channel->sockets, &dns_socket->node);
    return dns_socket;
}

/* Wanting neither means that c-ares is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int is_read, int is_written)
{
    struct dns_channel *channel = data;
    struct dns_socket *dns_socket = find_socket(channel, fd);

    if (dns_socket == NULL)
        dns_socket = add_socket(channel, fd);
    ev_io_stop(channel->loop->ev, &dns_socket->watcher);
    if (!is_read && !is_written) {
        list_remove(&dns_socket->node);
        free(dns_socket);
        return;
    }
    ev_io_set(&dns_socket->watcher, fd, (is_read ? EV_READ : 0) | (is_written ? EV_WRITE : 0));
    ev_io_start(channel->loop->ev, &dns_socket->watcher);
}

struct dns_channel *dns_channel_create(struct loop *loop, const struct resolver_options *options)
{
    struct dns_channel *channel = mem_zeroed(sizeof(*channel));
    double seconds = options->timeout > 0 ? options->timeout : TRY_SECONDS;
    struct ares_options ares_options = {
        .timeout = (int)ceil(seconds * 1000),
        .tries = TRIES,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
    };

    channel->loop = loop;
    list_init(&channel->sockets);
    ev_timer_init(&channel->deadline, on_deadline, 0, 0);
    channel->deadline.data = channel;
    if (ares_init_options(&channel->ares, &ares_options,
                          ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB) !=
        ARES_SUCCESS) {
        free(channel);
        return NULL;
    }
    if (options->servers != NULL &&
        ares_set_servers_ports_csv(channel->ares, options->servers) != ARES_SUCCESS)
        dns_channel_destroy(&channel);
    return channel;
}

void dns_channel_destroy(struct dns_channel **channel)
{
    struct dns_channel *gone = *channel;

    *channel = NULL;
    gone->is_closing = true;
    ares_destroy(gone->ares);
    assert(list_is_empty(&gone->sockets));
    ev_timer_stop(gone->loop->ev, &gone->deadline);
    free(gone);
}

enum dns_outcome dns_channel_outcome(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return DNS_FOUND;
    case ARES_ENOTFOUND:
    case ARES_ENODATA:
    case ARES_EBADNAME:
        return DNS_ABSENT;
    case ARES_ETIMEOUT:
        return DNS_TIMED_OUT;
    default:
        return DNS_FAILED;
    }
}

static void collect(const struct ares_addrinfo *info, struct dns_result *result)
{
    const struct ares_addrinfo_node *node = info->nodes;

    result->ttl = INFINITY;
    for (; node != NULL && result->count < RESOLVER_ADDRESSES_MAX; node = node->ai_next) {
        struct address *address = &result->addresses[result->count];
        address_from_socket(node->ai_addr, (socklen_t)node->ai_addrlen, address);
        result->count += address->length > 0;
        result->ttl = fmin(result->ttl, node->ai_ttl);
    }
    for (const struct ares_addrinfo_cname *cname = info->cnames; cname != NULL; cname = cname->next)
        result->ttl = fmin(result->ttl, cname->ttl);
}

static void on_looked_up(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_lookup lookup = *(struct dns_lookup *)data;
    struct dns_result result;

    free(data);
    result.outcome = dns_channel_outcome(status);
    result.ttl = 0;
    result.count = 0;
    if (info != NULL) {
        collect(info, &result);
        ares_freeaddrinfo(info);
    }
    if (result.outcome == DNS_FOUND && result.count == 0)
        result.outcome = DNS_ABSENT;
    if (!lookup.channel->is_closing)
        lookup.done(lookup.data, &result);
}

void dns_channel_lookup(struct dns_channel *channel, const char *host, dns_looked_up *done,
                        void *data)
{
    static const struct ares_addrinfo_hints HINTS = {.ai_family = AF_UNSPEC,
                                                     .ai_socktype = SOCK_STREAM};
    struct dns_lookup *lookup = mem_alloc(sizeof(*lookup));

    *lookup = (struct dns_lookup){.channel = channel, .done = done, .data = data};
    ares_getaddrinfo(channel->ares, host, NULL, &HINTS, on_looked_up, lookup);
    dns_channel_set_deadline(channel);
}
