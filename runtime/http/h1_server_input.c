/*
 * h1_server_input — reads an HTTP/1 client's requests, one after the other, from a stream.
 *
 * Bytes are parsed where the loop's scratch buffer has them; only what cannot be used yet
 * is kept, so an idle connection holds no buffer.
 */
#include "http/h1_server.h"

#include <assert.h>

#include "base/mem.h"
#include "http/h1_head.h"
#include "http/h1_promptness.h"

static struct loop *loop_of(const struct h1_server *server)
{
    return server->output.loop;
}

static void stream_begin(struct h1_server *server)
{
    server->has_stream = true;
    server->requests++;
    server->is_paused = server->head_sent = server->end_sent = server->sent_told = false;
    server->expects_continue = server->is_head_request = false;
    server->minor_version = 1;
    server->framing = H1_SERVER_NO_BODY;
    server->stream = (struct http_stream){.codec = &H1_SERVER_STREAM};
    timeout_clear(&server->timeout);
    server->session.events->on_stream(server->session.data, &server->stream);
    assert(server->stream.events != NULL && server->stream.arena != NULL);
}

/* Nothing more is read: where the next message would begin is not known. */
void h1_server_refuse(struct h1_server *server, enum fault fault, uint64_t offset)
{
    server->step = H1_SERVER_WAIT;
    server->is_refused = server->must_close = true;
    timeout_clear(&server->timeout);
    h1_server_body_clear(server);
    if (!server->has_stream)
        stream_begin(server);
    if (server->step != H1_SERVER_CLOSED)
        server->stream.events->on_refused(server->stream.data, fault, offset);
}

static OUT_OF_LINE void body_begin(struct h1_server *server, const struct request *request)
{
    struct h1_body_limits limits = {.extension_bytes_max = 1024,
                                    .trailer_bytes_max = server->limits->trailer_bytes_max};
    struct h1_body_framing framing = {request->body, request->content_length, true};
    h1_body_init(&server->body, false, framing, &limits);
    server->is_body_open = true;
    server->step = H1_SERVER_BODY;
    timeout_set(&server->timeout, server->limits->body_idle_seconds);
}

/* What may still come of a client that ends the connection with its request: early data of an
 * upgrade or a body that it did not announce, unless it asks for something only. */
static bool asks_only(const struct request *request)
{
    bool is_read = request->method == METHOD_GET || request->method == METHOD_HEAD;
    return is_read && request->upgrade.start == NULL;
}

static void on_head(struct h1_server *server, struct slice raw, const struct h1_lines *lines)
{
    stream_begin(server);
    struct arena *arena = server->stream.arena;
    struct request *request = arena_alloc(arena, sizeof(*request));
    const struct h1_head_reader reader = {arena, server->opinions,
                                          stream_tls(server->transport) != NULL, lines};
    struct h1_connection_terms terms;
    enum fault fault = h1_head_parse_request(arena_copy(arena, raw), &reader, request, &terms);
    if (fault != FAULT_NONE) {
        h1_server_refuse(server, fault, terms.fault_offset);
        return;
    }
    unsigned requests_max = server->limits->requests_max;
    server->request = request;
    server->must_close =
        !terms.keeps_alive || (requests_max > 0 && server->requests >= requests_max);
    server->is_head_request = request->method == METHOD_HEAD;
    server->minor_version = request->minor_version;
    server->expects_continue = request->expects_continue;
    bool is_empty = request->body == BODY_LENGTH && request->content_length == 0;
    bool has_body = request->body != BODY_NONE && !is_empty;
    server->says_no_more = terms.is_last && !has_body && asks_only(request);
    if (has_body)
        body_begin(server, request);
    else
        server->step = H1_SERVER_WAIT;
    server->stream.events->on_request(server->stream.data, request);
    if (!has_body && server->step == H1_SERVER_WAIT && server->has_stream)
        server->stream.events->on_end(server->stream.data);
}

/* How much of `input` was used. */
static size_t read_head(struct h1_server *server, struct slice input)
{
    bool begins = server->scanner.offset == 0;
    struct h1_lines lines;
    size_t length;

    switch (h1_scanner_scan_lines(&server->scanner, input, &lines)) {
    case H1_SCAN_DONE:
        length = server->scanner.offset; /* the scanner may begin anew meanwhile */
        on_head(server, slice_of(input.start, length), &lines);
        return length;
    case H1_SCAN_REFUSED:
        h1_server_refuse(server, server->scanner.fault, server->scanner.fault_offset);
        return input.length;
    case H1_SCAN_MORE:
        break;
    }
    if (begins)
        timeout_set(&server->timeout, server->limits->head_seconds);
    return 0;
}

static void on_body_complete(struct h1_server *server)
{
    bool is_discarding = server->step == H1_SERVER_DISCARD;

    timeout_clear(&server->timeout);
    if (is_discarding) {
        h1_server_next(server);
        return;
    }
    enum fault fault =
        h1_body_trailers(&server->body, server->stream.arena, &server->request->trailers);
    if (fault != FAULT_NONE) {
        h1_server_refuse(server, fault, server->body.offset);
        return;
    }
    server->step = H1_SERVER_WAIT;
    server->stream.events->on_end(server->stream.data);
}

static size_t read_body(struct h1_server *server, struct slice input)
{
    struct slice rest = input, data = SLICE_NONE;
    enum fault fault = h1_body_read(&server->body, &rest, &data);
    size_t used = input.length - rest.length;

    if (fault != FAULT_NONE && server->step == H1_SERVER_DISCARD) {
        h1_server_linger(server);
        return input.length;
    }
    if (fault != FAULT_NONE) {
        h1_server_refuse(server, fault, server->body.offset);
        return input.length;
    }
    timeout_set(&server->timeout, server->limits->body_idle_seconds);
    server->expects_continue = false;
    enum h1_server_step step = server->step;
    if (data.length > 0 && step == H1_SERVER_BODY)
        server->stream.events->on_data(server->stream.data, data);
    if (step == H1_SERVER_DISCARD && server->body.offset > H1_SERVER_DISCARD_BYTES_MAX)
        h1_server_linger(server);
    else if (server->is_body_open && server->body.is_complete && !server->is_paused)
        on_body_complete(server);
    return used;
}

static size_t read_tunnel(struct h1_server *server, struct slice input)
{
    server->stream.events->on_data(server->stream.data, input);
    return input.length;
}

/* Whether `input` can be looked at now. */
static bool may_read(const struct h1_server *server)
{
    switch (server->step) {
    case H1_SERVER_HEAD:
    case H1_SERVER_DISCARD:
    case H1_SERVER_LINGER:
        return true;
    case H1_SERVER_BODY:
    case H1_SERVER_TUNNEL:
        return !server->is_paused;
    case H1_SERVER_WAIT:
    case H1_SERVER_CLOSED:
        break;
    }
    return false;
}

/* Uses as much of `input` as possible; how much that was. */
static size_t process(struct h1_server *server, struct slice input)
{
    size_t used = 0;

    while (used < input.length && may_read(server)) {
        struct slice rest = slice_after(input, used);
        enum h1_server_step step = server->step;
        size_t now;
        if (step == H1_SERVER_HEAD)
            now = read_head(server, rest);
        else if (step == H1_SERVER_TUNNEL)
            now = read_tunnel(server, rest);
        else if (step == H1_SERVER_LINGER)
            now = rest.length;
        else
            now = read_body(server, rest);
        if (now == 0 && server->step == step)
            break;
        used += now;
    }
    return used;
}

/* A window's worth; of a head, as much as it may have, or it would never be complete. */
static size_t kept_bytes_max(const struct h1_server *server)
{
    if (server->step == H1_SERVER_HEAD)
        return server->scanner.limits.head_bytes_max;
    return server->step == H1_SERVER_WAIT ? server->limits->head_bytes_max
                                          : server->limits->window_bytes;
}

static bool is_full(const struct h1_server *server)
{
    return buffer_length(&server->input) >= kept_bytes_max(server) || server->has_ended_input;
}

/* Reading stops while as much is kept as may be, and goes on when there is room. */
static void adjust_reading(struct h1_server *server)
{
    if (server->step == H1_SERVER_CLOSED)
        return;
    bool holds = is_full(server);
    if (holds == server->is_read_paused)
        return;
    server->is_read_paused = holds;
    if (holds)
        stream_pause(server->transport);
    else
        stream_resume(server->transport);
}

static OUT_OF_LINE void keep(struct h1_server *server, struct slice rest)
{
    if (server->step == H1_SERVER_CLOSED || server->step == H1_SERVER_LINGER || server->is_refused)
        return;
    size_t bytes_max = h1_server_input_bytes_max(server); /* limits may be new ones */
    if (server->input.bytes_max < bytes_max)
        server->input.bytes_max = bytes_max;
    if (!buffer_append(&server->input, rest))
        h1_server_close(server, FAULT_CLIENT_GONE);
}

/* Uses what was kept. Nothing below adds to the input, so what process() looks at stays where it
 * is. */
static OUT_OF_LINE void process_kept(struct h1_server *server)
{
    size_t length = buffer_length(&server->input);
    size_t used = process(server, buffer_slice(&server->input));
    if (used > 0 && buffer_length(&server->input) == length)
        buffer_consume(&server->input, used);
}

static void take(struct h1_server *server, struct slice received)
{
    if (buffer_length(&server->input) > 0) {
        keep(server, received);
        if (server->step != H1_SERVER_CLOSED)
            process_kept(server);
        return;
    }
    size_t used = process(server, received);
    if (used < received.length)
        keep(server, slice_after(received, used));
}

/* All that came has been used, and no more will come. */
static void on_input_used_up(struct h1_server *server)
{
    switch (server->step) {
    case H1_SERVER_TUNNEL:
        server->stream.events->on_end(server->stream.data);
        break;
    case H1_SERVER_WAIT: /* a half-close: the client may still read its answer */
        server->must_close = true;
        if (!server->head_sent)
            timeout_set(&server->timeout, server->limits->half_close_seconds);
        break;
    case H1_SERVER_HEAD:
    case H1_SERVER_BODY:
    case H1_SERVER_DISCARD:
    case H1_SERVER_LINGER:
        h1_server_close(server, FAULT_CLIENT_GONE);
        break;
    case H1_SERVER_CLOSED:
        break;
    }
}

static bool is_used_up(const struct h1_server *server)
{
    bool waits_for_user =
        server->is_paused && (server->step == H1_SERVER_BODY || server->step == H1_SERVER_TUNNEL);
    return server->has_ended_input && buffer_length(&server->input) == 0 && !waits_for_user;
}

static OUT_OF_LINE void on_input_end(struct h1_server *server, bool is_broken)
{
    if (is_broken) {
        h1_server_close(server, FAULT_CLIENT_GONE);
        return;
    }
    server->has_ended_input = true;
    if (is_used_up(server))
        on_input_used_up(server);
}

/* False when there was nothing yet. */
static bool read_transport(struct h1_server *server)
{
    char *scratch = loop_of(server)->scratch;
    ssize_t count = stream_read(server->transport, scratch, LOOP_SCRATCH_BYTES);

    if (count > 0)
        take(server, slice_of(scratch, (size_t)count));
    else if (count != STREAM_AGAIN)
        on_input_end(server, count == STREAM_BROKEN);
    return count != STREAM_AGAIN;
}

static void on_readable(void *data)
{
    struct h1_server *server = data;
    struct loop *loop = loop_of(server);

    read_transport(server);
    adjust_reading(server);
    loop_flush(loop);
}

static void on_writable(void *data)
{
    struct h1_server *server = data;
    struct loop *loop = loop_of(server);
    h1_output_on_writable(&server->output);
    loop_flush(loop);
}

const struct stream_events H1_SERVER_TRANSPORT = {on_readable, on_writable};

void h1_server_on_again(struct loop_deferred *item)
{
    struct h1_server *server = CONTAINER_OF(item, struct h1_server, again);

    if (server->step == H1_SERVER_BODY && !server->is_paused && server->body.is_complete)
        on_body_complete(server);
    if (buffer_length(&server->input) > 0)
        process_kept(server);
    if (is_used_up(server) && server->step != H1_SERVER_WAIT)
        on_input_used_up(server);
    adjust_reading(server);
    loop_flush(loop_of(server));
}

void h1_server_read_again(struct h1_server *server)
{
    if (server->step == H1_SERVER_CLOSED)
        return;
    list_remove(&server->again.node); /* it may be postponed */
    server->again.run = h1_server_on_again;
    loop_defer(loop_of(server), &server->again);
}

/*
 * A client whose request is the last has hardly more to say. If it has been read first, its socket
 * is watched, for a client that leaves, only when the answer is long in coming: most are closed
 * before that, and epoll never gets to know them. h1_server_linger() asks for what it says yet.
 */
static bool may_watch_later(const struct h1_server *server)
{
    return server->step == H1_SERVER_WAIT && server->must_close && !is_full(server);
}

/* Reads before it watches: epoll tells of what is there only in the next turn, and the connection
 * may end in this one. */
static void on_late(struct loop_deferred *item)
{
    struct h1_server *server = CONTAINER_OF(item, struct h1_server, again);

    server->again.run = h1_server_on_again;
    on_readable(server);
}

/* Who has not sent its request by now gets a timer as well. */
static void on_first(struct loop_deferred *item)
{
    struct h1_server *server = CONTAINER_OF(item, struct h1_server, again);
    struct loop *loop = loop_of(server);

    server->again.run = h1_server_on_again;
    h1_promptness_note(h1_promptness_of(loop), read_transport(server));
    if (server->step == H1_SERVER_HEAD && server->timeout.deadline <= 0)
        h1_server_await_head(server);
    if (may_watch_later(server)) {
        server->again.run = on_late;
        loop_postpone(loop, &server->again);
    } else {
        adjust_reading(server);
    }
    loop_flush(loop);
}

static void read_first(struct h1_server *server)
{
    server->is_read_paused = true;
    stream_attach_paused(server->transport, &H1_SERVER_TRANSPORT, server);
    server->again.run = on_first;
    loop_defer(loop_of(server), &server->again);
}

void h1_server_begin_reading(struct h1_server *server)
{
    /* TLS has asked the socket during its handshake. */
    bool is_plain = stream_tls(server->transport) == NULL;

    if (is_plain && h1_promptness_expected(h1_promptness_of(loop_of(server)))) {
        read_first(server);
        return;
    }
    stream_attach(server->transport, &H1_SERVER_TRANSPORT, server);
    h1_server_await_head(server);
}
