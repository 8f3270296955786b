/*
 * codec — two streams multiplexed on one connection, on either side of the gateway.
 */
#include "codec.h"

#include <assert.h>

#include <stdio.h>

#include "base/mem.h"

enum { HEADER_BYTES = 4, PAYLOAD_MAX = 8192, STREAMS = 2 };
#define BUFFER_MAX ((size_t)1 << 20)

struct session;

struct member {
    struct http_stream stream;
    struct session *session;
    unsigned char id;
    bool is_open, has_user, is_paused;
    bool has_head, peer_ended, end_told;                      /* receiving */
    bool head_sent, end_wanted, end_sent, sent_told, is_full; /* sending */
    size_t send_window;
    struct buffer received; /* waits while paused; the peer's window bounds it */
    struct buffer unsent;   /* waits for credit */
    struct request *request;
};

struct session {
    struct http_session session;
    struct stream *transport;
    struct loop *loop;
    bool is_client, is_draining, is_closed, is_blocked;
    struct member members[STREAMS];
    struct buffer input, output;
    struct loop_flush flush;
    struct loop_deferred again, freeing;
};

static const struct http_stream_codec STREAM_CODEC;

static void frame(struct session *session, unsigned char id, char type, struct slice payload)
{
    char header[HEADER_BYTES] = {(char)id, type, (char)(payload.length >> 8), (char)payload.length};
    assert(payload.length <= PAYLOAD_MAX);
    buffer_append(&session->output, slice_of(header, sizeof(header)));
    buffer_append(&session->output, payload);
    loop_flush_later(session->loop, &session->flush);
}

static void give_credit(struct member *member, size_t bytes)
{
    char payload[4] = {(char)(bytes >> 24), (char)(bytes >> 16), (char)(bytes >> 8), (char)bytes};
    frame(member->session, member->id, 'W', slice_of(payload, sizeof(payload)));
}

static void on_freeing(struct loop_deferred *item)
{
    struct session *session = CONTAINER_OF(item, struct session, freeing);
    stream_destroy(&session->transport);
    free(session);
}

static void close_session(struct session *session)
{
    if (session->is_closed)
        return;
    session->is_closed = true;
    stream_attach(session->transport, NULL, NULL);
    list_remove(&session->flush.node);
    list_remove(&session->again.node);
    loop_defer(session->loop, &session->freeing);
    for (int i = 0; i < STREAMS; i++) {
        struct member *member = &session->members[i];
        if (member->is_open && member->has_user)
            member->stream.events->on_failed(member->stream.data, session->is_client
                                                                      ? FAULT_UPSTREAM_CLOSED
                                                                      : FAULT_CLIENT_GONE);
        buffer_clear(&member->received);
        buffer_clear(&member->unsent);
    }
    buffer_clear(&session->input);
    buffer_clear(&session->output);
    if (session->session.events->on_closed != NULL)
        session->session.events->on_closed(session->session.data);
}

static void member_open(struct session *session, struct member *member, unsigned char id)
{
    *member = (struct member){.session = session,
                              .id = id,
                              .is_open = true,
                              .has_user = true,
                              .send_window = TWO_STREAM_WINDOW_BYTES,
                              .stream.codec = &STREAM_CODEC};
    buffer_init(&member->received, TWO_STREAM_WINDOW_BYTES, NULL);
    buffer_init(&member->unsent, BUFFER_MAX, NULL);
}

static void send_fields(struct slice *at, const struct headers *headers, char *text)
{
    uint32_t next = 0;
    for (const struct header *h; (h = headers_next(headers, &next)) != NULL;) {
        if ((header_flags_of(h->id) & (HEADER_HOP_BY_HOP | HEADER_FRAMING)) != 0)
            continue;
        int added = snprintf(text + at->length, PAYLOAD_MAX - at->length, "%.*s: %.*s\n",
                             SLICE_FORMAT(h->name), SLICE_FORMAT(h->value));
        if (added > 0 && (size_t)added < PAYLOAD_MAX - at->length)
            at->length += (size_t)added;
    }
}

static void send_request(struct http_stream *stream, const struct request *request)
{
    struct member *member = (struct member *)stream;
    char text[PAYLOAD_MAX];
    struct slice head = {text, 0};

    if (member->session->is_closed)
        return;
    head.length =
        (size_t)snprintf(text, sizeof(text), "%.*s %.*s %.*s\n", SLICE_FORMAT(request->method_name),
                         SLICE_FORMAT(request->path), SLICE_FORMAT(request->authority));
    send_fields(&head, &request->headers, text);
    member->head_sent = true;
    frame(member->session, member->id, 'H', head);
}

static void send_response(struct http_stream *stream, const struct response *response)
{
    struct member *member = (struct member *)stream;
    char text[PAYLOAD_MAX];
    struct slice head = {text, 0};

    if (member->session->is_closed || response->status < 200)
        return;
    head.length = (size_t)snprintf(text, sizeof(text), "%d\n", response->status);
    send_fields(&head, &response->headers, text);
    member->head_sent = true;
    frame(member->session, member->id, 'H', head);
}

/* As much as credit allows; then the end, once nothing waits. */
static void send_unsent(struct member *member)
{
    while (buffer_length(&member->unsent) > 0 && member->send_window > 0) {
        struct slice rest = buffer_slice(&member->unsent);
        size_t length = rest.length < PAYLOAD_MAX ? rest.length : PAYLOAD_MAX;
        if (length > member->send_window)
            length = member->send_window;
        frame(member->session, member->id, 'D', slice_of(rest.start, length));
        member->send_window -= length;
        buffer_consume(&member->unsent, length);
    }
    if (member->end_wanted && !member->end_sent && buffer_length(&member->unsent) == 0) {
        member->end_sent = true;
        frame(member->session, member->id, 'E', SLICE_NONE);
    }
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    struct member *member = (struct member *)stream;
    if (member->session->is_closed)
        return true;
    buffer_append(&member->unsent, bytes);
    send_unsent(member);
    member->is_full = buffer_length(&member->unsent) > 0;
    return !member->is_full;
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct member *member = (struct member *)stream;
    if (member->session->is_closed)
        return;
    member->end_wanted = true;
    send_unsent(member);
}

static void pause_stream(struct http_stream *stream)
{
    ((struct member *)stream)->is_paused = true;
}

static void resume_stream(struct http_stream *stream)
{
    struct member *member = (struct member *)stream;
    member->is_paused = false;
    if (!member->session->is_closed)
        loop_defer(member->session->loop, &member->session->again);
}

static void release(struct http_stream *stream)
{
    struct member *member = (struct member *)stream;
    struct session *session = member->session;

    member->has_user = false;
    member->is_open = false;
    if (session->is_closed)
        return;
    if (!member->end_sent || !member->peer_ended)
        frame(session, member->id, 'R', SLICE_NONE);
    buffer_clear(&member->received);
    buffer_clear(&member->unsent);
    if (session->is_client && session->session.events->on_available != NULL)
        session->session.events->on_available(session->session.data);
}

static const struct http_stream_codec STREAM_CODEC = {
    send_request, send_response, send_data, send_end, pause_stream, resume_stream, release,
};

static bool take_line(struct slice *rest, struct slice *line)
{
    size_t end = slice_find(*rest, '\n');
    if (rest->length == 0)
        return false;
    *line = slice_of(rest->start, end);
    *rest = slice_after(*rest, end < rest->length ? end + 1 : end);
    return true;
}

static struct slice take_word(struct slice *line)
{
    size_t end = slice_find(*line, ' ');
    struct slice word = slice_of(line->start, end);
    *line = slice_after(*line, end < line->length ? end + 1 : end);
    return word;
}

static void read_fields(struct slice rest, struct headers *headers, struct arena *arena)
{
    struct slice line;
    while (take_line(&rest, &line)) {
        size_t colon = slice_find(line, ':');
        if (colon < line.length)
            headers_add(headers, arena, slice_of(line.start, colon),
                        slice_trimmed(slice_after(line, colon + 1)));
    }
}

static void on_request_head(struct member *member, struct slice payload)
{
    struct session *session = member->session;
    session->session.events->on_stream(session->session.data, &member->stream);
    struct arena *arena = member->stream.arena;
    struct request *request = arena_zeroed(arena, sizeof(*request));
    struct slice rest = arena_copy(arena, payload), line;

    take_line(&rest, &line);
    request->method_name = take_word(&line);
    request->method = method_of(request->method_name);
    request->target = request->path = take_word(&line);
    request->authority = request->host = line;
    request->scheme = SLICE("http");
    request->minor_version = 1;
    request->body = BODY_STREAMED;
    request->content_length = MESSAGE_LENGTH_UNKNOWN;
    read_fields(rest, &request->headers, arena);
    headers_set_known(&request->headers, arena, HEADER_HOST, line);
    member->request = request;
    member->stream.events->on_request(member->stream.data, request);
}

static void on_response_head(struct member *member, struct slice payload)
{
    struct arena *arena = member->stream.arena;
    struct response *response = arena_zeroed(arena, sizeof(*response));
    struct slice rest = arena_copy(arena, payload), line;
    uint64_t status = 0;

    take_line(&rest, &line);
    slice_to_uint64(line, &status);
    response->status = (int)status;
    response->minor_version = 1;
    response->body = BODY_STREAMED;
    response->content_length = MESSAGE_LENGTH_UNKNOWN;
    read_fields(rest, &response->headers, arena);
    member->stream.events->on_response(member->stream.data, response);
}

/* Hands on what waits, and gives credit for it. */
static void deliver(struct member *member)
{
    if (!member->is_open || !member->has_user || member->is_paused)
        return;
    size_t length = buffer_length(&member->received);
    if (length > 0) {
        struct slice bytes = arena_copy(member->stream.arena, buffer_slice(&member->received));
        buffer_consume(&member->received, length);
        give_credit(member, length);
        member->stream.events->on_data(member->stream.data, bytes);
    }
    if (member->is_open && member->has_user && member->peer_ended && !member->end_told &&
        !member->is_paused && buffer_length(&member->received) == 0) {
        member->end_told = true;
        member->stream.events->on_end(member->stream.data);
    }
}

static void on_credit(struct member *member, struct slice payload)
{
    const unsigned char *bytes = (const unsigned char *)payload.start;
    if (payload.length != 4)
        return;
    member->send_window +=
        (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    send_unsent(member);
    if (member->is_full && buffer_length(&member->unsent) == 0) {
        member->is_full = false;
        member->stream.events->on_writable(member->stream.data);
    }
}

static void on_frame(struct session *session, unsigned char id, char type, struct slice payload)
{
    struct member *member = &session->members[id - 1];

    if (type == 'H' && !session->is_client && !member->is_open) {
        member_open(session, member, id);
        on_request_head(member, payload);
    } else if (!member->is_open) {
        return; /* of a stream that is over */
    } else if (type == 'H') {
        on_response_head(member, payload);
    } else if (type == 'D') {
        if (!buffer_append(&member->received, payload))
            close_session(session); /* beyond its window */
        else
            deliver(member);
    } else if (type == 'E') {
        member->peer_ended = true;
        deliver(member);
    } else if (type == 'W') {
        on_credit(member, payload);
    } else if (type == 'R') {
        member->stream.events->on_failed(
            member->stream.data, session->is_client ? FAULT_UPSTREAM_CLOSED : FAULT_CLIENT_GONE);
    }
}

static void read_frames(struct session *session)
{
    while (!session->is_closed && buffer_length(&session->input) >= HEADER_BYTES) {
        struct slice bytes = buffer_slice(&session->input);
        const unsigned char *header = (const unsigned char *)bytes.start;
        size_t length = (size_t)header[2] << 8 | header[3];
        if (header[0] < 1 || header[0] > STREAMS || length > PAYLOAD_MAX) {
            close_session(session);
            return;
        }
        if (bytes.length < HEADER_BYTES + length)
            return;
        char payload[PAYLOAD_MAX];
        memcpy(payload, bytes.start + HEADER_BYTES, length);
        unsigned char id = header[0];
        char type = (char)header[1];
        buffer_consume(&session->input, HEADER_BYTES + length);
        on_frame(session, id, type, slice_of(payload, length));
    }
}

static void on_readable(void *data)
{
    struct session *session = data;
    struct loop *loop = session->loop;
    ssize_t count = stream_read(session->transport, loop->scratch, LOOP_SCRATCH_BYTES);

    if (count > 0) {
        buffer_append(&session->input, slice_of(loop->scratch, (size_t)count));
        read_frames(session);
    } else if (count != STREAM_AGAIN) {
        close_session(session);
    }
    loop_flush(loop);
}

static void tell_sent(struct session *session)
{
    for (int i = 0; i < STREAMS && !session->is_closed; i++) {
        struct member *member = &session->members[i];
        if (!member->is_open || !member->has_user || !member->end_sent || member->sent_told)
            continue;
        member->sent_told = true;
        if (member->stream.events->on_sent != NULL)
            member->stream.events->on_sent(member->stream.data);
    }
}

static void write_output(struct session *session)
{
    struct slice bytes = buffer_slice(&session->output);
    struct iovec vector = {(void *)bytes.start, bytes.length};
    ssize_t count = bytes.length > 0 ? stream_write(session->transport, &vector, 1) : 0;

    if (count == STREAM_BROKEN) {
        close_session(session);
        return;
    }
    if (count > 0)
        buffer_consume(&session->output, (size_t)count);
    session->is_blocked = buffer_length(&session->output) > 0;
    if (session->is_blocked)
        stream_await_writable(session->transport);
    else
        tell_sent(session);
}

static void on_flush(struct loop_flush *item)
{
    struct session *session = CONTAINER_OF(item, struct session, flush);
    if (!session->is_blocked)
        write_output(session);
}

static void on_writable(void *data)
{
    struct session *session = data;
    struct loop *loop = session->loop;
    write_output(session);
    loop_flush(loop);
}

static const struct stream_events TRANSPORT_EVENTS = {on_readable, on_writable};

static void on_again(struct loop_deferred *item)
{
    struct session *session = CONTAINER_OF(item, struct session, again);
    for (int i = 0; i < STREAMS && !session->is_closed; i++)
        deliver(&session->members[i]);
    loop_flush(session->loop);
}

static unsigned capacity(const struct http_session *base)
{
    const struct session *session = (const struct session *)base;
    unsigned count = 0;
    for (int i = 0; i < STREAMS; i++)
        count += !session->members[i].is_open;
    return session->is_client && !session->is_closed && !session->is_draining ? count : 0;
}

static struct http_stream *open_stream(struct http_session *base)
{
    struct session *session = (struct session *)base;
    for (unsigned char i = 0; i < STREAMS; i++) {
        if (session->members[i].is_open)
            continue;
        member_open(session, &session->members[i], (unsigned char)(i + 1));
        return &session->members[i].stream;
    }
    return NULL;
}

static void drain(struct http_session *base)
{
    struct session *session = (struct session *)base;
    session->is_draining = true;
    if (!session->members[0].is_open && !session->members[1].is_open)
        close_session(session);
}

static void destroy(struct http_session *base)
{
    close_session((struct session *)base);
}

static struct stream *transport(const struct http_session *base)
{
    return ((const struct session *)base)->transport;
}

static const struct http_session_codec SESSION_CODEC = {open_stream, capacity, drain, destroy,
                                                        transport};

static struct http_session *start(struct stream *stream, const struct http_session_events *events,
                                  void *data, bool is_client)
{
    struct session *session = mem_zeroed(sizeof(*session));
    session->session = (struct http_session){&SESSION_CODEC, events, data};
    session->transport = stream;
    session->loop = stream_loop(stream);
    session->is_client = is_client;
    buffer_init(&session->input, BUFFER_MAX, NULL);
    buffer_init(&session->output, BUFFER_MAX, NULL);
    list_init(&session->flush.node);
    list_init(&session->again.node);
    list_init(&session->freeing.node);
    session->flush.flush = on_flush;
    session->again.run = on_again;
    session->freeing.run = on_freeing;
    stream_attach(stream, &TRANSPORT_EVENTS, session);
    return &session->session;
}

static struct http_session *serve(struct stream *stream, const struct http_session_limits *limits,
                                  const struct http_session_events *events, void *data)
{
    return start(stream, events, data, false);
}

static struct http_session *connect_session(struct stream *stream,
                                            const struct http_session_limits *limits,
                                            const struct http_session_events *events, void *data)
{
    return start(stream, events, data, true);
}

const struct http_protocol TWO_STREAM_PROTOCOL = {"two-stream", NULL, serve, connect_session};
