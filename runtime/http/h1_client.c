/*
 * h1_client — one HTTP/1 connection to an upstream: requests out, one at a time, and the
 * connection's life.
 */
#include "http/h1_client.h"

#include <assert.h>

#include "base/mem.h"
#include "http/h1_writer.h"

static struct h1_client *client_of(struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct h1_client, stream);
}

static void on_freeing(struct loop_deferred *item)
{
    struct h1_client *client = CONTAINER_OF(item, struct h1_client, freeing);
    stream_destroy(&client->transport);
    free(client);
}

void h1_client_body_clear(struct h1_client *client)
{
    if (client->is_body_open)
        h1_body_clear(&client->body);
    client->is_body_open = false;
}

void h1_client_close(struct h1_client *client, enum fault fault)
{
    if (client->step == H1_CLIENT_CLOSED)
        return;
    client->step = H1_CLIENT_CLOSED;
    stream_attach(client->transport, NULL, NULL);
    h1_output_clear(&client->output);
    list_remove(&client->again.node);
    buffer_clear(&client->input);
    h1_client_body_clear(client);
    /* Freed from the loop: callers up the stack still hold the session. */
    loop_defer(client->output.loop, &client->freeing);
    if (client->has_stream && fault != FAULT_NONE)
        client->stream.events->on_failed(client->stream.data, fault);
    if (client->session.events->on_closed != NULL)
        client->session.events->on_closed(client->session.data);
}

static void send_request(struct http_stream *stream, const struct request *request)
{
    struct h1_client *client = client_of(stream);

    if (client->step == H1_CLIENT_CLOSED)
        return;
    assert(client->step == H1_CLIENT_IDLE);
    client->method = request->method;
    client->asks_upgrade = request->upgrade.start != NULL;
    client->is_chunked = request->body == BODY_STREAMED;
    h1_client_expect(client);
    bool fits = h1_writer_request(h1_output_queue(&client->output), request,
                                  client->is_draining ? H1_WRITER_CLOSE : H1_WRITER_KEEP_ALIVE);
    if (!fits)
        client->output.is_broken = true;
    h1_output_touch(&client->output);
}

static void send_response(struct http_stream *stream, const struct response *response)
{
    assert(!"a client's stream takes a request");
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    struct h1_client *client = client_of(stream);
    assert(!client->end_sent);

    if (client->step == H1_CLIENT_CLOSED || client->is_output_broken || bytes.length == 0)
        return true;
    if (client->is_chunked && client->step != H1_CLIENT_TUNNEL) {
        h1_writer_chunk_start(h1_output_queue(&client->output), bytes.length);
        return h1_output_data(&client->output, bytes, SLICE("\r\n"));
    }
    return h1_output_data(&client->output, bytes, SLICE_NONE);
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct h1_client *client = client_of(stream);

    if (client->step == H1_CLIENT_CLOSED)
        return;
    if (client->step ==
        H1_CLIENT_TUNNEL) /* the request's own end came before: this is a half-close */
        client->sent_told = false;
    else if (client->is_chunked &&
             !h1_writer_last_chunk(h1_output_queue(&client->output), trailers))
        client->output.is_broken = true;
    client->end_sent = true;
    loop_flush_later(client->output.loop, &client->output.flush);
}

static void pause_stream(struct http_stream *stream)
{
    client_of(stream)->is_paused = true;
}

static void resume_stream(struct http_stream *stream)
{
    struct h1_client *client = client_of(stream);

    if (!client->is_paused)
        return;
    client->is_paused = false;
    if (buffer_length(&client->input) > 0 || client->is_read_paused || client->has_ended_input ||
        (client->step == H1_CLIENT_BODY && (!client->is_body_open || client->body.is_complete)))
        h1_client_read_again(client);
}

void h1_client_offer(struct h1_client *client)
{
    if (!client->is_reading && client->session.events->on_available != NULL)
        client->session.events->on_available(client->session.data);
}

static bool may_be_reused(const struct h1_client *client)
{
    return client->step == H1_CLIENT_COMPLETE && client->end_sent && !client->must_close &&
           !client->is_draining && !client->output.is_broken &&
           h1_output_is_empty(&client->output) && buffer_length(&client->input) == 0;
}

static void release(struct http_stream *stream)
{
    struct h1_client *client = client_of(stream);

    client->has_stream = false;
    client->response = NULL;
    if (client->step == H1_CLIENT_CLOSED)
        return;
    if (client->step == H1_CLIENT_IDLE) { /* opened, and nothing sent */
        h1_client_offer(client);
        return;
    }
    if (!may_be_reused(client)) {
        h1_output_push(&client->output);
        h1_client_close(client, FAULT_NONE);
        return;
    }
    h1_client_body_clear(client);
    client->step = H1_CLIENT_IDLE;
    h1_client_offer(client);
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

static void on_drained(void *data)
{
    struct h1_client *client = data;

    if (!client->end_sent || client->sent_told || !client->has_stream)
        return;
    client->sent_told = true;
    if (client->step == H1_CLIENT_TUNNEL)
        stream_shut_down(client->transport);
    if (client->stream.events->on_sent != NULL)
        client->stream.events->on_sent(client->stream.data);
}

static void on_writable(void *data)
{
    struct h1_client *client = data;
    if (client->has_stream && client->stream.events->on_writable != NULL)
        client->stream.events->on_writable(client->stream.data);
}

/* An upstream that takes no more of the request may have answered already: what it said is read
 * first. */
static void on_broken(void *data, bool is_timeout)
{
    struct h1_client *client = data;

    client->must_close = client->is_output_broken = true;
    if (is_timeout)
        h1_client_close(client, FAULT_UPSTREAM_WRITE_TIMEOUT);
}

static const struct h1_output_events OUTPUT_EVENTS = {on_drained, on_writable, on_broken};

static struct http_stream *session_open(struct http_session *session)
{
    struct h1_client *client = (struct h1_client *)session;
    assert(client->step == H1_CLIENT_IDLE && !client->has_stream);

    client->has_stream = true;
    client->is_paused = client->end_sent = client->sent_told = false;
    client->informational = 0;
    client->stream = (struct http_stream){.codec = &STREAM_CODEC};
    return &client->stream;
}

static unsigned session_capacity(const struct http_session *session)
{
    const struct h1_client *client = (const struct h1_client *)session;
    bool is_open = client->step == H1_CLIENT_IDLE && !client->has_stream;
    bool may_follow = !client->is_reading && !client->is_draining && !client->must_close;
    return is_open && may_follow ? 1 : 0;
}

static void session_drain(struct http_session *session)
{
    struct h1_client *client = (struct h1_client *)session;
    client->is_draining = true;
    if (client->step == H1_CLIENT_IDLE && !client->has_stream)
        h1_client_close(client, FAULT_NONE);
}

static void session_destroy(struct http_session *session)
{
    h1_client_close((struct h1_client *)session, FAULT_UPSTREAM_CLOSED);
}

static struct stream *session_transport(const struct http_session *session)
{
    return ((const struct h1_client *)session)->transport;
}

static const struct http_session_codec SESSION_CODEC = {
    session_open, session_capacity, session_drain, session_destroy, session_transport,
};

struct http_session *h1_client_open(struct stream *stream, const struct http_session_limits *limits,
                                    const struct http_session_events *events, void *data)
{
    struct h1_client *client = mem_zeroed(sizeof(*client));
    size_t head = limits->head_bytes_max, window = limits->window_bytes;

    client->session = (struct http_session){&SESSION_CODEC, events, data};
    client->transport = stream;
    client->limits = limits;
    client->step = H1_CLIENT_IDLE;
    h1_output_init(&client->output, stream, limits, &OUTPUT_EVENTS, client);
    client->opinions = h1_opinions_of(client->output.loop);
    buffer_init(&client->input, (head > window ? head : window) + LOOP_SCRATCH_BYTES,
                &client->output.loop->blocks);
    list_init(&client->again.node);
    list_init(&client->freeing.node);
    client->again.run = h1_client_on_again;
    client->freeing.run = on_freeing;
    stream_attach(stream, &H1_CLIENT_TRANSPORT, client);
    return &client->session;
}
