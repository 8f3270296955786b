/*
 * dial — name, then address after address until one takes the connection.
 */
#include "upstream/dial.h"

#include <assert.h>

/* A connect attempt gets at least this long, however many addresses share the time. */
#define SHARE_SECONDS_MIN 0.05

void dial_init(struct dial *dial)
{
    dial->done = NULL;
}

bool dial_is_active(const struct dial *dial)
{
    return dial->done != NULL;
}

static void clean_up(struct dial *dial)
{
    assert(dial->query == NULL && dial->connector == NULL);
    timeout_stop(&dial->timeout);
    if (dial->options.tls != NULL)
        tls_context_release(&dial->options.tls);
    dial->done = NULL;
}

static void finish(struct dial *dial, enum fault fault, struct stream *stream, const char *detail)
{
    dial_done *done = dial->done;
    clean_up(dial);
    done(dial->data, fault, stream, detail);
}

static void on_connected(void *data, enum fault fault, struct stream *stream, const char *detail);

/* What is left of the time, in equal parts for what is left to try. */
static double share(const struct dial *dial)
{
    double left = dial->deadline - loop_monotonic(dial->options.loop);
    double seconds = left / (double)(dial->address_count - dial->address_next);
    return seconds > SHARE_SECONDS_MIN ? seconds : SHARE_SECONDS_MIN;
}

static void connect_next(struct dial *dial)
{
    assert(dial->address_next < dial->address_count);
    const char *name = dial->options.server_name;
    bool is_path = dial->options.host[0] == '/';
    struct connector_options options = {
        .address = dial->addresses[dial->address_next],
        .tls = dial->options.tls,
        .server_name = name != NULL || is_path ? name : dial->options.host,
        .timeout = share(dial),
    };
    dial->address_next++;
    struct connector *connector = connector_start(dial->options.loop, &options, on_connected, dial);
    /* NULL: on_connected ran already, and may have started another one, or ended the dial. */
    if (connector != NULL)
        dial->connector = connector;
}

/* Called from connect_next() too: then it is at most DIAL_ADDRESSES_MAX deep. */
static void on_connected(void *data, enum fault fault, struct stream *stream, const char *detail)
{
    struct dial *dial = data;

    dial->connector = NULL;
    bool is_late = loop_monotonic(dial->options.loop) >= dial->deadline;
    if (fault != FAULT_NONE && dial->address_next < dial->address_count && !is_late)
        connect_next(dial);
    else
        finish(dial, fault, stream, detail);
}

static void on_resolved(void *data, enum fault fault, const struct address *addresses, size_t count)
{
    struct dial *dial = data;

    dial->query = NULL;
    timeout_clear(&dial->timeout);
    if (fault != FAULT_NONE || count == 0) {
        finish(dial, fault != FAULT_NONE ? fault : FAULT_UPSTREAM_DNS, NULL, NULL);
        return;
    }
    dial->address_count = count < DIAL_ADDRESSES_MAX ? count : DIAL_ADDRESSES_MAX;
    for (size_t i = 0; i < dial->address_count; i++)
        dial->addresses[i] = addresses[(dial->options.turn + i) % count];
    connect_next(dial);
}

static void on_timeout(void *data)
{
    struct dial *dial = data;
    resolver_cancel(&dial->query);
    finish(dial, FAULT_UPSTREAM_DNS_TIMEOUT, NULL, "the name did not resolve in time");
}

static void connect_to_path(struct dial *dial)
{
    struct sockaddr_un *path = &dial->addresses[0].path;
    size_t length = strlen(dial->options.host);

    if (length >= sizeof(path->sun_path)) {
        finish(dial, FAULT_UPSTREAM_UNROUTABLE, NULL, "the path of the socket is too long");
        return;
    }
    memset(path, 0, sizeof(*path));
    path->sun_family = AF_UNIX;
    memcpy(path->sun_path, dial->options.host, length);
    dial->addresses[0].length = (socklen_t)sizeof(*path);
    dial->address_count = 1;
    connect_next(dial);
}

static void resolve(struct dial *dial)
{
    struct resolver_query *query = resolver_ask(dial->options.resolver, dial->options.host,
                                                dial->options.port, on_resolved, dial);
    if (query == NULL)
        return;
    dial->query = query;
    timeout_set(&dial->timeout, dial->deadline - loop_monotonic(dial->options.loop));
}

void dial_start(struct dial *dial, const struct dial_options *options, dial_done *done, void *data)
{
    double timeout = options->timeout > 0 ? options->timeout : DIAL_SECONDS;

    assert(done != NULL);
    dial->options = *options;
    if (options->tls != NULL)
        dial->options.tls = tls_context_acquire(options->tls);
    dial->done = done;
    dial->data = data;
    dial->deadline = loop_monotonic(options->loop) + timeout;
    dial->query = NULL;
    dial->connector = NULL;
    dial->address_count = dial->address_next = 0;
    timeout_init(&dial->timeout, options->loop, on_timeout, dial);
    if (options->host[0] == '/')
        connect_to_path(dial);
    else
        resolve(dial);
}

void dial_cancel(struct dial *dial)
{
    if (dial->done == NULL)
        return;
    if (dial->query != NULL)
        resolver_cancel(&dial->query);
    if (dial->connector != NULL)
        connector_cancel(&dial->connector);
    clean_up(dial);
}
