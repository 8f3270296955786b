/*
 * h1_server — the life of one HTTP/1 connection from a client: opened, between requests, lingering,
 * closed.
 */
#include "http/h1_server.h"

#include <assert.h>

#include "base/mem.h"
#include "http/h1_head.h"

size_t h1_server_input_bytes_max(const struct h1_server *server)
{
    size_t head = server->limits->head_bytes_max, window = server->limits->window_bytes;
    return (head > window ? head : window) + LOOP_SCRATCH_BYTES;
}

static struct loop *loop_of(const struct h1_server *server)
{
    return server->output.loop;
}

static void on_freeing(struct loop_deferred *item)
{
    struct h1_server *server = CONTAINER_OF(item, struct h1_server, freeing);
    if (server->transport != NULL)
        stream_destroy(&server->transport);
    free(server);
}

void h1_server_body_clear(struct h1_server *server)
{
    if (server->is_body_open)
        h1_body_clear(&server->body);
    server->is_body_open = false;
}

void h1_server_close(struct h1_server *server, enum fault fault)
{
    if (server->step == H1_SERVER_CLOSED)
        return;
    server->step = H1_SERVER_CLOSED;
    if (server->transport != NULL)
        stream_attach(server->transport, NULL, NULL);
    h1_output_clear(&server->output);
    timeout_stop(&server->timeout);
    list_remove(&server->again.node);
    buffer_clear(&server->input);
    h1_server_body_clear(server);
    /* Freed from the loop: callers up the stack still hold the session. */
    loop_defer(loop_of(server), &server->freeing);
    if (server->has_stream && fault != FAULT_NONE)
        server->stream.events->on_failed(server->stream.data, fault);
    if (server->session.events->on_closed != NULL)
        server->session.events->on_closed(server->session.data);
}

/*
 * That the client has said nothing behind the request that was its last: closing with bytes unread
 * is a reset, which throws away what the kernel has not sent yet. Of who is watched the loop has
 * told, who is not is asked; one who has left has said all as well.
 */
static bool has_said_all(const struct h1_server *server)
{
    char more[512];

    if (server->step != H1_SERVER_WAIT || server->is_refused || buffer_length(&server->input) > 0)
        return false;
    if (!server->is_read_paused)
        return !stream_has_event(server->transport);
    return stream_read(server->transport, more, sizeof(more)) <= 0;
}

/*
 * Whether bytes may come yet, that a socket which is closed takes for unread. Over TLS a client
 * that has said all says so some time (close_notify). Where all has been sent they hardly harm.
 */
static bool may_say_more(const struct h1_server *server)
{
    bool is_over_tls = stream_tls(server->transport) != NULL;
    return !server->has_ended_input && (is_over_tls || !server->says_no_more);
}

void h1_server_linger(struct h1_server *server)
{
    if (server->step == H1_SERVER_CLOSED)
        return;
    bool is_quiet = server->has_ended_input || has_said_all(server);
    bool may_close = is_quiet && !may_say_more(server); /* which says goodbye as well */
    h1_server_body_clear(server);
    buffer_clear(&server->input);
    if (!may_close) {
        stream_shut_down(server->transport);
        may_close = is_quiet && !stream_has_unsent(server->transport);
    }
    if (may_close) {
        if (server->says_no_more)
            stream_peer_has_said_all(server->transport);
        h1_server_close(server, FAULT_NONE);
        return;
    }
    server->step = H1_SERVER_LINGER;
    timeout_set(&server->timeout, server->limits->linger_seconds);
    if (server->is_read_paused)
        stream_resume(server->transport);
    server->is_read_paused = false;
}

/* Who drains waits for what may be on its way, and answers it with `Connection: close`: a client
 * whose request meets the end of the connection cannot know whether it was served. */
static double idle_seconds(const struct h1_server *server)
{
    double seconds = server->limits->idle_seconds;
    return server->is_draining && seconds > H1_SERVER_DRAIN_SECONDS ? H1_SERVER_DRAIN_SECONDS
                                                                    : seconds;
}

void h1_server_await_head(struct h1_server *server)
{
    timeout_set(&server->timeout, idle_seconds(server));
}

static void expect_head(struct h1_server *server)
{
    struct h1_scanner_limits limits = {.head_bytes_max = server->limits->head_bytes_max,
                                       .target_bytes_max = server->limits->target_bytes_max};
    server->step = H1_SERVER_HEAD;
    server->must_close = server->is_refused = false;
    h1_scanner_init(&server->scanner, false, &limits);
}

void h1_server_next(struct h1_server *server)
{
    h1_server_body_clear(server);
    if (server->must_close || (server->has_ended_input && buffer_length(&server->input) == 0)) {
        h1_server_linger(server);
        return;
    }
    expect_head(server);
    h1_server_await_head(server);
    if (buffer_length(&server->input) > 0 || server->is_read_paused)
        h1_server_read_again(server);
}

/* Where a loop is late what was waited for may have come in time: this turn reads it, as timers go
 * first. */
static bool has_come(const struct h1_server *server)
{
    return !stream_is_quiet(server->transport);
}

static void on_head_timeout(struct h1_server *server)
{
    if (buffer_length(&server->input) > 0)
        h1_server_refuse(server, FAULT_REQUEST_TIMEOUT, buffer_length(&server->input));
    else if (has_come(server))
        h1_server_await_head(server);
    else
        h1_server_close(server, FAULT_NONE);
}

static void on_body_timeout(struct h1_server *server)
{
    if (server->is_paused)
        return;
    if (has_come(server))
        timeout_set(&server->timeout, server->limits->body_idle_seconds);
    else
        h1_server_refuse(server, FAULT_REQUEST_TIMEOUT, server->body.offset);
}

static void on_discard_timeout(struct h1_server *server)
{
    if (has_come(server))
        timeout_set(&server->timeout, server->limits->linger_seconds);
    else
        h1_server_close(server, FAULT_CLIENT_GONE);
}

static void on_timeout(void *data)
{
    struct h1_server *server = data;
    struct loop *loop = loop_of(server);

    switch (server->step) {
    case H1_SERVER_HEAD:
        on_head_timeout(server);
        break;
    case H1_SERVER_BODY:
        on_body_timeout(server);
        break;
    case H1_SERVER_DISCARD:
        on_discard_timeout(server);
        break;
    case H1_SERVER_WAIT:
        if (server->has_ended_input && !server->head_sent)
            h1_server_close(server, FAULT_CLIENT_GONE);
        break;
    default:
        h1_server_close(server, FAULT_CLIENT_GONE);
        break;
    }
    loop_flush(loop);
}

static struct http_stream *session_open(struct http_session *session)
{
    return NULL; /* a server's streams begin with requests */
}

static unsigned session_capacity(const struct http_session *session)
{
    return 0;
}

static void session_drain(struct http_session *session)
{
    struct h1_server *server = (struct h1_server *)session;
    server->is_draining = true;
    if (server->step == H1_SERVER_HEAD && buffer_length(&server->input) == 0)
        h1_server_await_head(server);
}

static void session_destroy(struct http_session *session)
{
    h1_server_close((struct h1_server *)session, FAULT_CLIENT_GONE);
}

static struct stream *session_transport(const struct http_session *session)
{
    return ((const struct h1_server *)session)->transport;
}

static const struct http_session_codec SESSION_CODEC = {
    session_open, session_capacity, session_drain, session_destroy, session_transport,
};

struct http_session *h1_server_open(struct stream *stream, const struct http_session_limits *limits,
                                    const struct http_session_events *events, void *data)
{
    struct h1_server *server = mem_zeroed(sizeof(*server));
    server->session = (struct http_session){&SESSION_CODEC, events, data};
    server->transport = stream;
    server->limits = limits;
    h1_output_init(&server->output, stream, limits, &H1_SERVER_OUTPUT, server);
    server->opinions = h1_opinions_of(loop_of(server));
    buffer_init(&server->input, h1_server_input_bytes_max(server), &loop_of(server)->blocks);
    timeout_init(&server->timeout, loop_of(server), on_timeout, server);
    list_init(&server->again.node);
    list_init(&server->freeing.node);
    server->again.run = h1_server_on_again;
    server->freeing.run = on_freeing;
    expect_head(server);
    h1_server_begin_reading(server);
    return &server->session;
}
