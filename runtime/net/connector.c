/*
 * connector — connecting without blocking, and what its failures mean.
 */
#include "net/connector.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/timeout.h"
#include "net/tls_context.h"

#define DETAIL_BYTES 256

struct connector {
    struct loop *loop;
    struct stream *stream;
    struct address address;
    struct tls_context *tls; /* NULL: plain */
    char *server_name;       /* NULL: none */
    struct timeout timeout;
    connector_done *done;
    void *data;
    bool is_starting; /* connector_start() has not returned yet */
    bool is_done;     /* `done` was called while it had not */
    bool is_shaking_hands;
};

static enum fault fault_of(int error)
{
    switch (error) {
    case ETIMEDOUT:
        return FAULT_UPSTREAM_CONNECT_TIMEOUT;
    case EADDRNOTAVAIL: /* no local port left */
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return FAULT_UPSTREAM_LIMIT;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case EINVAL: /* a link-local address without a zone, for one */
    case EACCES:
    case EPERM: /* a packet filter of this host */
        return FAULT_UPSTREAM_UNROUTABLE;
    default: /* ECONNREFUSED, ECONNRESET; unix sockets: ENOENT, EAGAIN (its queue is full) */
        return FAULT_UPSTREAM_REFUSED;
    }
}

static void connector_free(struct connector *connector)
{
    timeout_stop(&connector->timeout);
    if (connector->stream != NULL)
        stream_destroy(&connector->stream);
    if (connector->tls != NULL)
        tls_context_release(&connector->tls);
    free(connector->server_name);
    free(connector);
}

/* Ends the attempt; the connector is gone, unless connector_start() still looks at it. */
static void finish(struct connector *connector, enum fault fault, const char *detail)
{
    connector_done *done = connector->done;
    void *data = connector->data;
    struct stream *stream = NULL;

    assert(!connector->is_done);
    if (fault == FAULT_NONE) {
        stream = connector->stream;
        connector->stream = NULL;
        stream_attach(stream, NULL, NULL);
    }
    connector->is_done = true;
    if (!connector->is_starting)
        connector_free(connector);
    done(data, fault, stream, detail);
}

static void fail(struct connector *connector, const char *what, int error)
{
    char detail[DETAIL_BYTES];

    snprintf(detail, sizeof(detail), "%s: %s", what, strerrordesc_np(error));
    finish(connector, fault_of(error), detail);
}

static void on_timeout(void *data)
{
    struct connector *connector = data;

    finish(connector, FAULT_UPSTREAM_CONNECT_TIMEOUT,
           connector->is_shaking_hands ? "the TLS handshake took too long"
                                       : "connecting took too long");
}

static void on_handshaken(void *data, enum fault fault, const char *detail)
{
    finish(data, fault, detail);
}

static void on_connected(struct connector *connector)
{
    if (connector->tls == NULL) {
        finish(connector, FAULT_NONE, NULL);
        return;
    }
    const struct stream_server server = {connector->server_name, &connector->address};
    connector->is_shaking_hands = true;
    stream_attach(connector->stream, NULL, NULL);
    stream_connect_tls(connector->stream, connector->tls, &server, on_handshaken, connector);
}

/* A connection is there, or failed: writable or readable first, the socket knows which. */
static void on_ready(void *data)
{
    struct connector *connector = data;
    int error = 0;
    socklen_t length = sizeof(error);

    if (getsockopt(stream_fd(connector->stream), SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error != 0)
        fail(connector, "connect", error);
    else
        on_connected(connector);
}

static const struct stream_events CONNECTING = {.on_readable = on_ready, .on_writable = on_ready};

static int open_socket(const struct loop *loop, const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd >= 0 && !loop_may_connect(loop, fd)) {
        close(fd);
        fd = -1;
        errno = EMFILE;
    }
    return fd;
}

static void connect_to(struct connector *connector)
{
    static const int ON = 1;
    const struct address *address = &connector->address;
    int fd = open_socket(connector->loop, address);

    if (fd < 0) {
        fail(connector, "socket", errno);
        return;
    }
    connector->stream = stream_create(connector->loop, fd);
    if (address->any.sa_family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &ON, sizeof(ON));

    if (connect(fd, &address->any, address->length) == 0) {
        on_connected(connector);
    } else if (errno == EINPROGRESS || errno == EINTR) {
        stream_attach(connector->stream, &CONNECTING, connector);
        stream_await_writable(connector->stream);
    } else {
        fail(connector, "connect", errno);
    }
}

struct connector *connector_start(struct loop *loop, const struct connector_options *options,
                                  connector_done *done, void *data)
{
    assert(options->address.length > 0);

    struct connector *connector = mem_zeroed(sizeof(*connector));
    connector->loop = loop;
    connector->address = options->address;
    connector->tls = options->tls != NULL ? tls_context_acquire(options->tls) : NULL;
    connector->server_name = mem_string(options->server_name);
    connector->done = done;
    connector->data = data;
    timeout_init(&connector->timeout, loop, on_timeout, connector);
    timeout_set(&connector->timeout, options->timeout);

    connector->is_starting = true;
    connect_to(connector);
    connector->is_starting = false;
    if (!connector->is_done)
        return connector;
    connector_free(connector);
    return NULL;
}

void connector_cancel(struct connector **connector)
{
    if (*connector == NULL)
        return;
    connector_free(*connector);
    *connector = NULL;
}
