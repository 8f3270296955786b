/*
 * h1_server_stream — the response's way out: framing, back-pressure, and what becomes of the
 * connection after it.
 */
#include "http/h1_server.h"

#include <assert.h>

#include "base/mem.h"
#include "http/h1_writer.h"

static struct h1_server *server_of(struct http_stream *stream)
{
    return CONTAINER_OF(stream, struct h1_server, stream);
}

static void send_request(struct http_stream *stream, const struct request *request)
{
    assert(!"a server's stream takes responses");
}

static bool has_request_left(const struct h1_server *server)
{
    return server->step == H1_SERVER_BODY;
}

/* Too much of the request is still to come to be discarded, or it waits for a word it will not get.
 */
static bool closes_after_early_answer(const struct h1_server *server)
{
    if (!has_request_left(server))
        return false;
    return server->expects_continue ||
           (server->body.body == BODY_LENGTH && server->body.left > H1_SERVER_DISCARD_BYTES_MAX);
}

static enum h1_server_framing framing_of(const struct h1_server *server,
                                         const struct response *response)
{
    if (server->is_head_request || status_has_no_body(response->status) ||
        response->body == BODY_NONE)
        return H1_SERVER_NO_BODY;
    if (response->body == BODY_LENGTH)
        return H1_SERVER_BY_LENGTH;
    return server->minor_version > 0 ? H1_SERVER_CHUNKED : H1_SERVER_BY_CLOSE;
}

static void send_informational(struct h1_server *server, const struct response *response)
{
    if (server->minor_version == 0 || server->head_sent)
        return;
    if (response->status == 100)
        server->expects_continue = false;
    h1_writer_response(h1_output_queue(&server->output), response, server->minor_version,
                       H1_WRITER_KEEP_ALIVE);
    h1_output_touch(&server->output);
}

static void send_switching(struct h1_server *server, const struct response *response)
{
    server->head_sent = true;
    server->step = H1_SERVER_TUNNEL;
    server->must_close = true;
    server->framing = H1_SERVER_BY_CLOSE;
    timeout_clear(&server->timeout);
    h1_writer_response(h1_output_queue(&server->output), response, server->minor_version,
                       H1_WRITER_KEEP_ALIVE);
    h1_output_touch(&server->output);
    h1_server_read_again(server);
}

static void send_response(struct http_stream *stream, const struct response *response)
{
    struct h1_server *server = server_of(stream);

    if (server->step == H1_SERVER_CLOSED)
        return;
    if (response->status == 101) {
        send_switching(server, response);
        return;
    }
    if (response->status < 200) {
        send_informational(server, response);
        return;
    }
    assert(!server->head_sent);
    server->head_sent = true;
    server->framing = framing_of(server, response);
    server->length_left = response->content_length;
    if (server->is_draining || server->framing == H1_SERVER_BY_CLOSE ||
        closes_after_early_answer(server))
        server->must_close = true;
    bool fits =
        h1_writer_response(h1_output_queue(&server->output), response, server->minor_version,
                           server->must_close ? H1_WRITER_CLOSE : H1_WRITER_KEEP_ALIVE);
    if (!fits)
        server->output.is_broken = true;
    h1_output_touch(&server->output);
}

static bool send_data(struct http_stream *stream, struct slice bytes)
{
    struct h1_server *server = server_of(stream);
    assert(server->head_sent && !server->end_sent);

    if (server->step == H1_SERVER_CLOSED || server->framing == H1_SERVER_NO_BODY ||
        bytes.length == 0)
        return true;
    if (server->framing == H1_SERVER_CHUNKED) {
        h1_writer_chunk_start(h1_output_queue(&server->output), bytes.length);
        return h1_output_data(&server->output, bytes, SLICE("\r\n"));
    }
    if (server->framing == H1_SERVER_BY_LENGTH) {
        /* More than was promised would be read as the next response. */
        if (bytes.length > server->length_left)
            bytes.length = (size_t)server->length_left;
        server->length_left -= bytes.length;
    }
    return h1_output_data(&server->output, bytes, SLICE_NONE);
}

static void send_end(struct http_stream *stream, const struct headers *trailers)
{
    struct h1_server *server = server_of(stream);
    assert(server->head_sent && !server->end_sent);

    if (server->step == H1_SERVER_CLOSED)
        return;
    server->end_sent = true;
    if (server->framing == H1_SERVER_CHUNKED &&
        !h1_writer_last_chunk(h1_output_queue(&server->output), trailers))
        server->output.is_broken = true;
    if (server->must_close)
        stream_end_soon(server->transport);
    loop_flush_later(server->output.loop, &server->output.flush);
}

static void pause_stream(struct http_stream *stream)
{
    server_of(stream)->is_paused = true;
}

static void resume_stream(struct http_stream *stream)
{
    struct h1_server *server = server_of(stream);

    if (!server->is_paused)
        return;
    server->is_paused = false;
    if (server->step == H1_SERVER_BODY) /* the pause was not the client's fault */
        timeout_set(&server->timeout, server->limits->body_idle_seconds);
    if (buffer_length(&server->input) > 0 || server->is_read_paused || server->has_ended_input ||
        (server->step == H1_SERVER_BODY && server->body.is_complete))
        h1_server_read_again(server);
}

static bool is_complete(const struct h1_server *server)
{
    if (!server->end_sent || (server->framing == H1_SERVER_BY_LENGTH && server->length_left > 0))
        return false;
    return h1_output_is_empty(&server->output) && !server->output.is_broken;
}

static void release(struct http_stream *stream)
{
    struct h1_server *server = server_of(stream);

    server->has_stream = false;
    server->request = NULL;
    if (server->step == H1_SERVER_CLOSED)
        return;
    if (!is_complete(server)) {
        h1_output_push(&server->output);
        /* A reset where nothing else tells that there should be more. */
        if (server->framing == H1_SERVER_BY_CLOSE)
            stream_abort(&server->transport);
        h1_server_close(server, FAULT_NONE);
    } else if (server->step == H1_SERVER_TUNNEL) {
        h1_server_linger(server);
    } else if (has_request_left(server) && !server->must_close) {
        server->step = H1_SERVER_DISCARD;
        server->is_paused = false;
        timeout_set(&server->timeout, server->limits->linger_seconds);
        h1_server_read_again(server);
    } else {
        h1_server_next(server);
    }
}

static void on_drained(void *data)
{
    struct h1_server *server = data;

    if (!server->end_sent || server->sent_told || !server->has_stream)
        return;
    server->sent_told = true;
    if (server->step == H1_SERVER_TUNNEL)
        stream_shut_down(server->transport);
    server->stream.events->on_sent(server->stream.data);
}

static void on_writable(void *data)
{
    struct h1_server *server = data;
    if (server->has_stream && server->stream.events->on_writable != NULL)
        server->stream.events->on_writable(server->stream.data);
}

static void on_broken(void *data, bool is_timeout)
{
    h1_server_close(data, FAULT_CLIENT_GONE);
}

const struct h1_output_events H1_SERVER_OUTPUT = {on_drained, on_writable, on_broken};

const struct http_stream_codec H1_SERVER_STREAM = {
    .send_request = send_request,
    .send_response = send_response,
    .send_data = send_data,
    .send_end = send_end,
    .pause = pause_stream,
    .resume = resume_stream,
    .release = release,
};
