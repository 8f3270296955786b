/*
 * fake_protocol — sessions without bytes, driven by a spec.
 */
#include "fake_protocol.h"

#include <assert.h>
#include <stdio.h>

#include "base/list.h"
#include "base/mem.h"

struct fake_session {
    struct http_session session;
    struct stream *transport;
    unsigned number, capacity, open;
    bool is_draining, is_broken;
    struct loop_deferred offer;
};

struct fake_stream {
    struct http_stream stream;
    struct fake_session *session; /* NULL when released */
    unsigned number;
    bool is_sent, is_ended, is_failed;
    char text[4096];
};

static struct {
    struct fake_stream *streams[FAKE_STREAMS_MAX + 1];
    struct fake_session *sessions[FAKE_STREAMS_MAX + 1];
    unsigned stream_count, session_count, capacity;
    bool writes_heads, is_blocked;
} fake;

static void note(struct http_stream *stream, struct slice text)
{
    struct fake_stream *own = (struct fake_stream *)stream;
    size_t length = strlen(own->text);
    snprintf(own->text + length, sizeof(own->text) - length, "%.*s", SLICE_FORMAT(text));
}

static void send_request(struct http_stream *stream, const struct request *request)
{
    struct fake_stream *own = (struct fake_stream *)stream;
    struct iovec head = {"HEAD", 4};

    note(stream, request->method_name);
    note(stream, SLICE(" "));
    note(stream, request->target);
    note(stream, SLICE("|"));
    if (fake.writes_heads)
        stream_write(own->session->transport, &head, 1);
}

static void send_response(struct http_stream *stream, const struct response *response)
{
    assert(!"a client does not respond");
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    note(stream, bytes);
    return !fake.is_blocked;
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    note(stream, SLICE("$"));
}

static void pause_stream(struct http_stream *stream)
{
    note(stream, SLICE("P"));
}

static void resume_stream(struct http_stream *stream)
{
    note(stream, SLICE("R"));
}

static void session_free(struct fake_session *session)
{
    assert(session->open == 0);
    fake.sessions[session->number] = NULL;
    list_remove(&session->offer.node);
    stream_destroy(&session->transport);
    session->session.events->on_closed(session->session.data);
    free(session);
}

static void release(struct http_stream *stream)
{
    struct fake_stream *own = (struct fake_stream *)stream;
    struct fake_session *session = own->session;

    own->session = NULL;
    session->open--;
    if (!own->is_sent || !own->is_ended)
        session->is_broken = true;
    loop_defer(stream_loop(session->transport), &session->offer);
}

static const struct http_stream_codec STREAM_CODEC = {
    .send_request = send_request,
    .send_response = send_response,
    .send_data = send_data,
    .send_end = send_end,
    .pause = pause_stream,
    .resume = resume_stream,
    .release = release,
};

/* After a release, from the loop, as real sessions do. */
static void offer(struct loop_deferred *item)
{
    struct fake_session *session = CONTAINER_OF(item, struct fake_session, offer);

    if (session->open == 0 && (session->is_broken || session->is_draining))
        session_free(session);
    else if (!session->is_broken && !session->is_draining)
        session->session.events->on_available(session->session.data);
}

static struct http_stream *open_stream(struct http_session *session)
{
    struct fake_session *own = (struct fake_session *)session;
    struct fake_stream *stream = mem_zeroed(sizeof(*stream));

    assert(fake.stream_count < FAKE_STREAMS_MAX);
    assert(own->open < own->capacity);
    own->open++;
    stream->stream.codec = &STREAM_CODEC;
    stream->session = own;
    stream->number = ++fake.stream_count;
    fake.streams[stream->number] = stream;
    return &stream->stream;
}

static unsigned capacity(const struct http_session *session)
{
    const struct fake_session *own = (const struct fake_session *)session;
    return own->is_draining || own->is_broken ? 0 : own->capacity - own->open;
}

static void drain(struct http_session *session)
{
    struct fake_session *own = (struct fake_session *)session;
    own->is_draining = true;
    if (own->open == 0)
        session_free(own);
}

static void break_off(struct fake_session *session, enum fault fault)
{
    session->is_broken = true;
    session->open++; /* keeps it while its streams' users may drain it */
    for (unsigned i = 1; i <= fake.stream_count; i++)
        if (fake.streams[i]->session == session)
            fake_fail(i, fault);
    if (--session->open == 0)
        session_free(session);
}

static void destroy(struct http_session *session)
{
    break_off((struct fake_session *)session, FAULT_UPSTREAM_CLOSED);
}

static struct stream *transport(const struct http_session *session)
{
    return ((const struct fake_session *)session)->transport;
}

static const struct http_session_codec SESSION_CODEC = {
    .open = open_stream,
    .capacity = capacity,
    .drain = drain,
    .destroy = destroy,
    .transport = transport,
};

static struct http_session *connect_session(struct stream *stream,
                                            const struct http_session_limits *limits,
                                            const struct http_session_events *events, void *data)
{
    struct fake_session *session = mem_zeroed(sizeof(*session));

    assert(fake.session_count < FAKE_STREAMS_MAX);
    session->session = (struct http_session){&SESSION_CODEC, events, data};
    session->transport = stream;
    session->capacity = fake.capacity;
    session->number = ++fake.session_count;
    session->offer.run = offer;
    list_init(&session->offer.node);
    fake.sessions[session->number] = session;
    return &session->session;
}

const struct http_protocol FAKE_PROTOCOL = {.name = "fake", .connect = connect_session};

void fake_reset(unsigned capacity_of_sessions, bool writes_heads)
{
    for (unsigned i = 1; i <= fake.stream_count; i++)
        free(fake.streams[i]);
    memset(&fake, 0, sizeof(fake));
    fake.capacity = capacity_of_sessions;
    fake.writes_heads = writes_heads;
}

void fake_block(bool is_blocked)
{
    fake.is_blocked = is_blocked;
}

unsigned fake_sessions_opened(void)
{
    return fake.session_count;
}

unsigned fake_sessions_alive(void)
{
    unsigned alive = 0;
    for (unsigned i = 1; i <= fake.session_count; i++)
        alive += fake.sessions[i] != NULL;
    return alive;
}

unsigned fake_streams_opened(void)
{
    return fake.stream_count;
}

unsigned fake_session_of(unsigned number)
{
    struct fake_session *session = fake.streams[number]->session;
    return session != NULL ? session->number : 0;
}

const char *fake_sent(unsigned number)
{
    return number <= fake.stream_count && number > 0 ? fake.streams[number]->text : "none";
}

/* The stream when it can still be told something. */
static struct fake_stream *listening(unsigned number)
{
    assert(number > 0 && number <= fake.stream_count);
    struct fake_stream *stream = fake.streams[number];
    return stream->session != NULL && !stream->is_failed ? stream : NULL;
}

void fake_tell_sent(unsigned number)
{
    struct fake_stream *stream = listening(number);
    if (stream == NULL)
        return;
    stream->is_sent = true;
    stream->stream.events->on_sent(stream->stream.data);
}

void fake_tell_writable(unsigned number)
{
    struct fake_stream *stream = listening(number);
    if (stream != NULL)
        stream->stream.events->on_writable(stream->stream.data);
}

void fake_informational(unsigned number, int status)
{
    struct fake_stream *stream = listening(number);
    struct response response = {.status = status};
    if (stream != NULL)
        stream->stream.events->on_informational(stream->stream.data, &response);
}

void fake_respond(unsigned number, int status)
{
    struct fake_stream *stream = listening(number);
    struct response response = {.status = status, .body = BODY_STREAMED};
    if (stream != NULL)
        stream->stream.events->on_response(stream->stream.data, &response);
}

void fake_data(unsigned number, const char *text)
{
    struct fake_stream *stream = listening(number);
    if (stream != NULL)
        stream->stream.events->on_data(stream->stream.data, slice_from_string(text));
}

void fake_end(unsigned number)
{
    struct fake_stream *stream = listening(number);
    if (stream == NULL)
        return;
    stream->is_ended = true;
    stream->stream.events->on_end(stream->stream.data);
}

void fake_fail(unsigned number, enum fault fault)
{
    struct fake_stream *stream = listening(number);
    if (stream == NULL)
        return;
    stream->is_failed = true;
    stream->session->is_broken = true;
    stream->stream.events->on_failed(stream->stream.data, fault);
}

void fake_hang_up(unsigned number)
{
    if (fake.sessions[number] != NULL)
        break_off(fake.sessions[number], FAULT_UPSTREAM_CLOSED);
}
