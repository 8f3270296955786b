/*
 * arrival — reading a PROXY header without a byte of what follows it, then shaking hands.
 *
 * Bytes are peeked at before they are taken, so that what follows the header stays in the socket,
 * where TLS looks for it. What is certainly header is taken at once, or the socket would stay
 * readable and the loop spin while the rest is on its way.
 */
#include "net/arrival.h"

#include <assert.h>
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/proxy_protocol.h"
#include "net/socket_bytes.h"
#include "net/timeout.h"
#include "net/tls_context.h"

#define HANDSHAKE_SECONDS 10

struct arrival {
    struct list node;
    struct arrivals *arrivals;
    struct stream *stream;
    struct address peer, client;
    /* Of the options it began with: those of the arrivals may be others by now. */
    enum listener_proxy_protocol proxy_protocol;
    struct tls_context *tls; /* acquired, or NULL */
    struct timeout timeout;
    char *taken; /* the start of a header whose rest is on its way; NULL: nothing */
    size_t taken_length;
};

static void arrival_free(struct arrival *arrival)
{
    list_remove(&arrival->node);
    timeout_stop(&arrival->timeout);
    if (arrival->stream != NULL)
        stream_destroy(&arrival->stream);
    if (arrival->tls != NULL)
        tls_context_release(&arrival->tls);
    free(arrival->taken);
    free(arrival);
}

static void tell_if_empty(struct arrivals *arrivals)
{
    if (arrivals->on_empty != NULL && list_is_empty(&arrivals->pending))
        arrivals->on_empty(arrivals);
}

static void fail(struct arrival *arrival, const char *detail)
{
    struct arrivals *arrivals = arrival->arrivals;
    struct address peer = arrival->peer;

    arrival_free(arrival);
    if (arrivals->events.on_failed != NULL)
        arrivals->events.on_failed(arrivals->data, &peer, detail);
    tell_if_empty(arrivals);
}

static void on_timeout(void *data)
{
    struct arrival *arrival = data;
    fail(arrival, arrival->proxy_protocol != LISTENER_PROXY_NONE
                      ? "the PROXY header and TLS handshake took too long"
                      : "the TLS handshake took too long");
}

static void on_handshaken(void *data, enum fault fault, const char *detail)
{
    struct arrival *arrival = data;
    struct arrivals *arrivals = arrival->arrivals;

    if (fault != FAULT_NONE) {
        fail(arrival, detail);
        return;
    }
    struct stream *stream = arrival->stream;
    struct address client = arrival->client;
    arrival->stream = NULL;
    arrival_free(arrival);
    arrivals->events.on_connection(arrivals->data, stream, &client);
    tell_if_empty(arrivals);
}

static void shake_hands(struct arrival *arrival)
{
    stream_attach(arrival->stream, NULL, NULL);
    if (arrival->tls != NULL)
        stream_accept_tls(arrival->stream, arrival->tls, on_handshaken, arrival);
    else
        on_handshaken(arrival, FAULT_NONE, NULL);
}

/*
 * What was taken, and behind it what can be peeked at, in the scratch buffer. Its length, 0 at
 * the end, or -1.
 */
static ssize_t peek(struct arrival *arrival)
{
    char *scratch = arrival->arrivals->loop->scratch;
    size_t taken = arrival->taken_length;

    assert(taken < PROXY_PROTOCOL_BYTES_MAX);
    if (taken > 0)
        memcpy(scratch, arrival->taken, taken);
    ssize_t peeked = socket_receive(stream_fd(arrival->stream), scratch + taken,
                                    PROXY_PROTOCOL_BYTES_MAX - taken, MSG_PEEK);
    return peeked > 0 ? peeked + (ssize_t)taken : peeked;
}

/* Takes off the socket what the header has beyond what was taken before. */
static bool take(struct arrival *arrival, size_t header_length)
{
    char *scratch = arrival->arrivals->loop->scratch;
    size_t taken = arrival->taken_length, left = header_length - taken;

    assert(header_length > taken);
    return socket_receive(stream_fd(arrival->stream), scratch + taken, left, 0) == (ssize_t)left;
}

static void keep(struct arrival *arrival, size_t length)
{
    if (arrival->taken == NULL)
        arrival->taken = mem_alloc(PROXY_PROTOCOL_BYTES_MAX);
    memcpy(arrival->taken, arrival->arrivals->loop->scratch, length);
    arrival->taken_length = length;
}

static void read_header(void *data)
{
    struct arrival *arrival = data;
    const struct arrivals *arrivals = arrival->arrivals;
    struct proxy_protocol_header header;

    ssize_t length = peek(arrival);
    if (length < 0 && errno == EAGAIN)
        return;
    if (length <= 0) {
        fail(arrival, "closed before its PROXY header was complete");
        return;
    }
    struct slice bytes = slice_of(arrivals->loop->scratch, (size_t)length);
    enum proxy_protocol_result result =
        proxy_protocol_read(bytes, arrival->proxy_protocol, &header);
    size_t header_length = result == PROXY_PROTOCOL_DONE ? header.length : bytes.length;

    if (result == PROXY_PROTOCOL_MALFORMED || !take(arrival, header_length)) {
        fail(arrival, "the PROXY header is malformed");
        return;
    }
    if (result == PROXY_PROTOCOL_MORE) {
        keep(arrival, header_length);
        return;
    }
    if (header.has_addresses)
        arrival->client = header.source;
    shake_hands(arrival);
}

static bool may_send_header(const struct listener_options *options, const struct address *peer)
{
    for (size_t i = 0; i < options->proxy_source_count; i++) {
        if (address_block_contains(&options->proxy_sources[i], peer))
            return true;
    }
    return options->proxy_source_count == 0;
}

static void await_header(struct arrival *arrival)
{
    static const struct stream_events READING_HEADER = {.on_readable = read_header};
    char text[ADDRESS_TEXT_BYTES];

    if (!may_send_header(&arrival->arrivals->options, &arrival->peer)) {
        log_write(LOG_DEBUG, "refused a connection from %.*s, which is not a proxy source",
                  SLICE_FORMAT(address_format(&arrival->peer, text)));
        fail(arrival, "not a source of PROXY headers");
        return;
    }
    stream_attach(arrival->stream, &READING_HEADER, arrival);
    read_header(arrival);
}

void arrivals_init(struct arrivals *arrivals)
{
    assert(arrivals->events.on_connection != NULL);
    list_init(&arrivals->pending);
}

void arrivals_clear(struct arrivals *arrivals)
{
    while (!list_is_empty(&arrivals->pending))
        arrival_free(CONTAINER_OF(arrivals->pending.next, struct arrival, node));
}

void arrivals_add(struct arrivals *arrivals, int fd, const struct address *peer)
{
    struct stream *stream = stream_create(arrivals->loop, fd);
    const struct listener_options *options = &arrivals->options;

    if (options->proxy_protocol == LISTENER_PROXY_NONE && options->tls == NULL) {
        arrivals->events.on_connection(arrivals->data, stream, peer);
        return;
    }
    struct arrival *arrival = mem_zeroed(sizeof(*arrival));
    arrival->arrivals = arrivals;
    arrival->stream = stream;
    arrival->peer = arrival->client = *peer;
    arrival->proxy_protocol = options->proxy_protocol;
    arrival->tls = options->tls != NULL ? tls_context_acquire(options->tls) : NULL;
    list_push_back(&arrivals->pending, &arrival->node);
    timeout_init(&arrival->timeout, arrivals->loop, on_timeout, arrival);
    timeout_set(&arrival->timeout,
                options->handshake_timeout > 0 ? options->handshake_timeout : HANDSHAKE_SECONDS);
    if (options->proxy_protocol != LISTENER_PROXY_NONE)
        await_header(arrival);
    else
        shake_hands(arrival);
}
