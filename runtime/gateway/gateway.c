/*
 * gateway — a worker's listening sockets and client connections, with what exchanges share.
 */
#include "gateway/gateway.h"

#include <assert.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "gateway/address_limits.h"
#include "gateway/date_field.h"
#include "gateway/exchange_pool.h"
#include "gateway/exchange_private.h"
#include "gateway/gateway_totals.h"
#include "gateway/protocols.h"
#include "gateway/trusted_proxy.h"
#include "shm/series.h"

/* For a connection that came while the gateway drains to send its request, the only one. */
#define LATE_IDLE_SECONDS 1

struct listening {
    struct list node; /* of the gateway's listenings, or of those that retire */
    struct gateway *gateway;
    int fd;                    /* -1: closed, it retires */
    struct listener *listener; /* NULL: it retires */
    bool is_left;              /* to another process */
    const struct listen_options *options;
};

struct gateway {
    struct loop *loop;
    struct gateway_options options;         /* with copies of what they point to */
    unsigned options_serial;                /* changes with them */
    struct http_session_limits late_limits; /* of connections that come while it drains */
    const struct phases *phases;
    void *phases_data;
    struct gateway_counts counts;
    struct gateway_totals totals;
    struct shedder shedder;
    struct request_ids request_ids;
    struct http_cache *cache; /* NULL: there is none */
    struct list listenings, retiring, left, connections;
    struct address_limits *addresses;

    struct exchange_pool exchanges;

    struct date_field date;

    uint64_t admin_connections; /* of the active ones: they do not hold up a drain */
    bool drains_admin;          /* but when they are to */
    void (*drained)(void *data);
    void *drained_data;
};

static void take_copy(struct gateway *gateway, const struct gateway_options *options)
{
    gateway->options = gateway_options_copy(options);
    gateway->options_serial++;
    shedder_configure(&gateway->shedder, &options->shed);
    gateway->late_limits = gateway->options.limits;
    gateway->late_limits.requests_max = 1;
    gateway->late_limits.idle_seconds = LATE_IDLE_SECONDS;
}

static bool is_drained(const struct gateway *gateway)
{
    uint64_t held = gateway->drains_admin ? 0 : gateway->admin_connections;
    return gateway->counts.connections_active == held && list_is_empty(&gateway->retiring);
}

/* Whether it goes on while the gateway drains. */
static bool stays(const struct gateway *gateway, const struct listen_options *options)
{
    return options->is_admin && !gateway->drains_admin;
}

static void tell_if_drained(struct gateway *gateway)
{
    if (gateway->drained != NULL && is_drained(gateway))
        gateway->drained(gateway->drained_data);
}

struct gateway *gateway_create(struct loop *loop, const struct gateway_options *options,
                               const struct phases *phases, void *phases_data)
{
    struct gateway *gateway = mem_zeroed(sizeof(*gateway));
    gateway->loop = loop;
    shedder_init(&gateway->shedder);
    take_copy(gateway, options);
    gateway->phases = phases;
    gateway->phases_data = phases_data;
    gateway_totals_init(&gateway->totals, NULL);
    gateway->addresses = address_limits_create();
    list_init(&gateway->listenings);
    list_init(&gateway->retiring);
    list_init(&gateway->left);
    list_init(&gateway->connections);
    return gateway;
}

static void listening_free(struct listening *listening)
{
    list_remove(&listening->node);
    if (listening->fd >= 0)
        close(listening->fd);
    listen_options_release(&listening->options);
    free(listening);
}

static void on_listener_retired(void *data)
{
    struct listening *listening = data;
    struct gateway *gateway = listening->gateway;

    if (listening->is_left) {
        list_remove(&listening->node);
        list_push_back(&gateway->left, &listening->node);
    } else {
        listening_free(listening);
    }
    tell_if_drained(gateway);
}

static void retire(struct listening *listening)
{
    list_remove(&listening->node);
    list_push_back(&listening->gateway->retiring, &listening->node);
    listener_retire(&listening->listener, on_listener_retired);
}

static struct listening *find_listening(const struct gateway *gateway, int fd)
{
    for (struct list *node = gateway->listenings.next; node != &gateway->listenings;
         node = node->next) {
        struct listening *listening = CONTAINER_OF(node, struct listening, node);
        if (listening->fd == fd)
            return listening;
    }
    return NULL;
}

void gateway_stop_listening(struct gateway *gateway, int fd)
{
    struct listening *listening = find_listening(gateway, fd);
    assert(listening != NULL);
    retire(listening);
}

void gateway_leave(struct gateway *gateway, int fd)
{
    struct listening *listening = find_listening(gateway, fd);

    assert(listening != NULL);
    listening->is_left = true;
    list_remove(&listening->node);
    list_push_back(&gateway->retiring, &listening->node);
    listener_leave(&listening->listener, on_listener_retired);
}

/* At once, with the connections that shake hands. */
static void close_listeners(struct list *listenings)
{
    while (!list_is_empty(listenings)) {
        struct listening *listening = CONTAINER_OF(listenings->next, struct listening, node);
        if (listening->listener != NULL)
            listener_destroy(&listening->listener);
        listening_free(listening);
    }
}

void gateway_destroy(struct gateway **pointer)
{
    struct gateway *gateway = *pointer;

    close_listeners(&gateway->listenings);
    close_listeners(&gateway->retiring);
    close_listeners(&gateway->left);
    while (!list_is_empty(&gateway->connections))
        http_session_destroy(
            &CONTAINER_OF(gateway->connections.next, struct downstream, node)->session);
    exchange_pool_clear(&gateway->exchanges);
    address_limits_destroy(&gateway->addresses);
    gateway_options_clear(&gateway->options);
    free(gateway);
    *pointer = NULL;
}

void gateway_count_in(struct gateway *gateway, const struct counter_table *counters)
{
    gateway_totals_init(&gateway->totals, counters);
}

void gateway_use_cache(struct gateway *gateway, struct http_cache *cache)
{
    gateway->cache = cache;
}

struct http_cache *gateway_cache(const struct gateway *gateway)
{
    return gateway->cache;
}

void gateway_configure(struct gateway *gateway, const struct gateway_options *options)
{
    gateway_options_clear(&gateway->options);
    take_copy(gateway, options);
}

struct loop *gateway_loop(const struct gateway *gateway)
{
    return gateway->loop;
}

struct shedder *gateway_shedder(struct gateway *gateway)
{
    return &gateway->shedder;
}

void *gateway_phases_data(const struct gateway *gateway)
{
    return gateway->phases_data;
}

struct request_ids *gateway_request_ids(struct gateway *gateway)
{
    return &gateway->request_ids;
}

const struct phases *gateway_phases(const struct gateway *gateway)
{
    return gateway->phases;
}

const struct gateway_options *gateway_options(const struct gateway *gateway)
{
    return &gateway->options;
}

const struct gateway_counts *gateway_counts(const struct gateway *gateway)
{
    return &gateway->counts;
}

struct gateway_totals *gateway_totals_of(struct gateway *gateway)
{
    return &gateway->totals;
}

bool gateway_is_draining(const struct gateway *gateway)
{
    return gateway->drained != NULL;
}

struct exchange *gateway_exchange(struct gateway *gateway, uint32_t slot)
{
    return exchange_pool_at(&gateway->exchanges, slot);
}

struct exchange *gateway_exchange_take(struct gateway *gateway)
{
    struct exchange *exchange = exchange_pool_take(&gateway->exchanges);

    exchange->gateway = gateway;
    gateway->counts.exchanges_active++;
    return exchange;
}

void gateway_exchange_give(struct gateway *gateway, struct exchange *exchange)
{
    exchange_pool_give(&gateway->exchanges, exchange);
    gateway->counts.exchanges_active--;
}

void gateway_add_date(struct gateway *gateway, struct response *response, struct arena *arena)
{
    date_field_add(&gateway->date, (time_t)loop_now(gateway->loop), response, arena);
}

/* From its text: asked for too seldom to be kept by every connection. */
static struct address client_address(const struct downstream *connection)
{
    struct address address;
    bool has_host = address_parse_host(downstream_client(connection), 0, &address);
    return has_host ? address : (struct address){0};
}

/* What the gateway's options say about a connection. */
static void take_options(struct downstream *connection, const struct address *client)
{
    const struct gateway *gateway = connection->gateway;

    connection->is_trusted = trusted_proxy_has(&gateway->options, client);
    connection->options_serial = gateway->options_serial;
}

static void renew_options(struct downstream *connection)
{
    const struct address client = client_address(connection);
    take_options(connection, &client);
}

static void on_stream(void *data, struct http_stream *stream)
{
    struct downstream *connection = data;

    if (connection->options_serial != connection->gateway->options_serial)
        renew_options(connection);
    exchange_begin(connection->gateway, connection, stream);
}

static void leave_address(const struct downstream *connection)
{
    const struct address client = client_address(connection);
    address_limits_leave(connection->gateway->addresses, &client);
}

static void on_closed(void *data)
{
    struct downstream *connection = data;
    struct gateway *gateway = connection->gateway;

    list_remove(&connection->node);
    if (connection->is_counted)
        leave_address(connection);
    gateway->counts.connections_active--;
    if (connection->listen->is_admin)
        gateway->admin_connections--;
    listen_options_release(&connection->listen);
    free(connection);
    tell_if_drained(gateway);
}

static const struct http_session_events SESSION_EVENTS = {
    .on_stream = on_stream,
    .on_closed = on_closed,
};

static bool may_accept(void *data, const struct address *peer)
{
    struct listening *listening = data;
    struct gateway *gateway = listening->gateway;

    if (gateway->counts.connections_active < gateway->options.connections_max)
        return true;
    series_add(gateway->totals.connections_refused, 1);
    return false;
}

static const struct http_protocol *protocol_of(const struct listen_options *options,
                                               const struct stream *stream)
{
    if (options->protocol != NULL)
        return options->protocol;
    return protocols_negotiated(stream_application_protocol(stream));
}

static struct downstream *connection_create(struct listening *listening,
                                            const struct address *client)
{
    char text[ADDRESS_TEXT_BYTES];
    struct slice host = address_format_host(client, text);
    struct downstream *connection = mem_zeroed(sizeof(*connection) + host.length);

    connection->gateway = listening->gateway;
    connection->listen = listen_options_acquire(listening->options);
    connection->client_length = (unsigned char)host.length;
    memcpy(connection->client, host.start, host.length);
    take_options(connection, client);
    return connection;
}

/* Where they are is for good: options that come later are written over them, and so are taken by
 * all that is open, for what it begins next. */
static const struct http_session_limits *limits_of(const struct listening *listening)
{
    const struct gateway *gateway = listening->gateway;
    bool is_late = gateway->drained != NULL && !stays(gateway, listening->options);
    return is_late ? &gateway->late_limits : &gateway->options.limits;
}

static void on_connection(void *data, struct stream *stream, const struct address *client)
{
    struct listening *listening = data;
    struct gateway *gateway = listening->gateway;
    unsigned per_address_max = gateway->options.connections_per_address_max;

    if (per_address_max > 0 && !address_limits_enter(gateway->addresses, client, per_address_max)) {
        series_add(gateway->totals.connections_refused, 1);
        stream_destroy(&stream);
        return;
    }
    struct downstream *connection = connection_create(listening, client);
    connection->is_counted = per_address_max > 0;
    list_push_back(&gateway->connections, &connection->node);
    series_add(gateway->totals.connections_accepted, 1);
    gateway->counts.connections_active++;
    gateway->admin_connections += listening->options->is_admin;
    connection->session = protocol_of(listening->options, stream)
                              ->serve(stream, limits_of(listening), &SESSION_EVENTS, connection);
}

static void on_failed(void *data, const struct address *peer, const char *detail)
{
    struct listening *listening = data;
    char text[ADDRESS_TEXT_BYTES];
    struct slice host = address_format_host(peer, text);

    series_add(listening->gateway->totals.connections_refused, 1);
    log_write(LOG_DEBUG, "connection from %.*s failed: %s", SLICE_FORMAT(host), detail);
}

/* At once, whoever still shakes hands: somebody may want the port. Of a socket that is left the
 * descriptor stays: while others have it, only with that can epoll be told to forget it. */
static void on_listener_closed(void *data)
{
    struct listening *listening = data;

    if (listening->is_left)
        return;
    close(listening->fd);
    listening->fd = -1;
}

static const struct listener_events LISTENER_EVENTS = {may_accept, on_connection, on_failed,
                                                       on_listener_closed};

static void add_listening(struct gateway *gateway, int fd, const struct listen_options *copy,
                          double look_seconds)
{
    struct listening *listening = mem_zeroed(sizeof(*listening));
    struct listener_options options = copy->listener;

    options.look_seconds = look_seconds;
    listening->gateway = gateway;
    listening->fd = fd;
    listening->options = copy;
    listening->listener = listener_create(gateway->loop, fd, &options, &LISTENER_EVENTS, listening);
    list_push_back(&gateway->listenings, &listening->node);
}

void gateway_listen(struct gateway *gateway, int fd, const struct listen_options *options)
{
    const struct listen_options *copy = listen_options_copy(options);
    struct listening *listening = find_listening(gateway, fd);

    if (listening == NULL) {
        add_listening(gateway, fd, copy, 0);
        return;
    }
    listener_configure(listening->listener, &copy->listener);
    listen_options_release(&listening->options);
    listening->options = copy;
}

void gateway_help_listen(struct gateway *gateway, int fd, const struct listen_options *options)
{
    add_listening(gateway, fd, listen_options_copy(options), GATEWAY_HELP_SECONDS);
}

static void retire_listeners(struct gateway *gateway)
{
    struct list *node = gateway->listenings.next;

    while (node != &gateway->listenings) {
        struct listening *listening = CONTAINER_OF(node, struct listening, node);
        node = node->next;
        if (!stays(gateway, listening->options))
            retire(listening);
    }
}

void gateway_drain(struct gateway *gateway, bool with_admin, void (*drained)(void *data),
                   void *data)
{
    gateway->drains_admin = with_admin;
    retire_listeners(gateway);
    struct list *node = gateway->connections.next; /* with those that have just been accepted */
    while (node != &gateway->connections) {
        struct downstream *connection = CONTAINER_OF(node, struct downstream, node);
        node = node->next; /* draining may close, and so free, this one */
        if (!stays(gateway, connection->listen))
            http_session_drain(connection->session);
    }
    gateway->drained = drained;
    gateway->drained_data = data;
    tell_if_drained(gateway);
}
