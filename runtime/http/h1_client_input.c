/*
 * h1_client_input — reads an HTTP/1 upstream's responses from a stream.
 *
 * What comes while no request is under way, or after a response's end, poisons the connection: it
 * would be read as the next response.
 */
#include "http/h1_client.h"

#include <assert.h>

#include "base/mem.h"
#include "http/h1_head.h"

static struct loop *loop_of(const struct h1_client *client)
{
    return client->output.loop;
}

void h1_client_expect(struct h1_client *client)
{
    struct h1_scanner_limits limits = {.head_bytes_max = client->limits->head_bytes_max,
                                       .target_bytes_max = client->limits->target_bytes_max};
    client->step = H1_CLIENT_HEAD;
    h1_scanner_init(&client->scanner, true, &limits);
}

static OUT_OF_LINE void on_informational(struct h1_client *client, struct response *response)
{
    if (++client->informational > H1_CLIENT_INFORMATIONAL_MAX) {
        h1_client_close(client, FAULT_UPSTREAM_MALFORMED);
        return;
    }
    h1_client_expect(client);
    if (client->stream.events->on_informational != NULL)
        client->stream.events->on_informational(client->stream.data, response);
}

static OUT_OF_LINE void on_switching(struct h1_client *client, struct response *response)
{
    /* Not before the request is complete: the rest of its body would be the tunnel's. */
    if (!client->asks_upgrade || !client->end_sent) {
        h1_client_close(client, FAULT_UPSTREAM_UPGRADE);
        return;
    }
    client->step = H1_CLIENT_TUNNEL;
    client->must_close = true;
    client->end_sent = client->sent_told =
        false; /* the request's end was one, the tunnel's is another */
    client->stream.events->on_response(client->stream.data, response);
}

static void on_complete(struct h1_client *client)
{
    client->step = H1_CLIENT_COMPLETE;
    client->stream.events->on_end(client->stream.data);
}

static void on_final(struct h1_client *client, struct response *response,
                     const struct h1_connection_terms *terms)
{
    struct h1_body_limits limits = {.extension_bytes_max = 1024,
                                    .trailer_bytes_max = client->limits->trailer_bytes_max};
    bool is_empty = response->body == BODY_LENGTH && response->content_length == 0;
    bool has_body = response->body != BODY_NONE && !is_empty;

    client->response = response;
    if (!terms->keeps_alive)
        client->must_close = true;
    if (has_body) {
        struct h1_body_framing framing = {response->body, response->content_length,
                                          terms->is_chunked};
        h1_body_init(&client->body, true, framing, &limits);
        client->is_body_open = true;
    }
    client->step = H1_CLIENT_BODY;
    client->stream.events->on_response(client->stream.data, response);
    if (has_body || client->step != H1_CLIENT_BODY || !client->has_stream)
        return;
    if (!client->is_paused)
        on_complete(client);
}

static void on_head(struct h1_client *client, struct slice raw, const struct h1_lines *lines)
{
    struct arena *arena = client->stream.arena;
    struct response *response = arena_alloc(arena, sizeof(*response));
    const struct h1_head_reader reader = {
        .arena = arena, .opinions = client->opinions, .lines = lines};
    struct h1_connection_terms terms;
    enum fault fault =
        h1_head_parse_response(arena_copy(arena, raw), client->method, &reader, response, &terms);
    if (fault != FAULT_NONE)
        h1_client_close(client, fault);
    else if (response->status == 101)
        on_switching(client, response);
    else if (response->status < 200)
        on_informational(client, response);
    else
        on_final(client, response, &terms);
}

static size_t read_head(struct h1_client *client, struct slice input)
{
    struct h1_lines lines;
    size_t length;

    switch (h1_scanner_scan_lines(&client->scanner, input, &lines)) {
    case H1_SCAN_DONE:
        length = client->scanner.offset;
        on_head(client, slice_of(input.start, length), &lines);
        return length;
    case H1_SCAN_REFUSED:
        h1_client_close(client, client->scanner.fault);
        return input.length;
    case H1_SCAN_MORE:
        break;
    }
    return 0;
}

static void on_body_complete(struct h1_client *client)
{
    enum fault fault =
        h1_body_trailers(&client->body, client->stream.arena, &client->response->trailers);
    if (fault != FAULT_NONE)
        h1_client_close(client, fault);
    else
        on_complete(client);
}

static bool is_body_complete(const struct h1_client *client)
{
    return client->step == H1_CLIENT_BODY && !client->is_paused &&
           (!client->is_body_open || client->body.is_complete);
}

static size_t read_body(struct h1_client *client, struct slice input)
{
    struct slice rest = input, data = SLICE_NONE;
    enum fault fault = h1_body_read(&client->body, &rest, &data);

    if (fault != FAULT_NONE) {
        h1_client_close(client, fault);
        return input.length;
    }
    if (data.length > 0)
        client->stream.events->on_data(client->stream.data, data);
    if (client->has_stream && client->is_body_open && is_body_complete(client))
        on_body_complete(client);
    return input.length - rest.length;
}

static size_t read_tunnel(struct h1_client *client, struct slice input)
{
    client->stream.events->on_data(client->stream.data, input);
    return input.length;
}

/* Uses as much of `input` as possible; how much that was. */
static size_t process(struct h1_client *client, struct slice input)
{
    size_t used = 0;

    while (used < input.length && client->has_stream && client->step != H1_CLIENT_CLOSED) {
        struct slice rest = slice_after(input, used);
        size_t now = 0;
        if (client->step == H1_CLIENT_HEAD)
            now = read_head(client, rest);
        else if (client->step == H1_CLIENT_BODY && !client->is_paused && client->is_body_open)
            now = read_body(client, rest);
        else if (client->step == H1_CLIENT_TUNNEL && !client->is_paused)
            now = read_tunnel(client, rest);
        if (now == 0)
            break;
        used += now;
    }
    return used;
}

static void adjust_reading(struct h1_client *client)
{
    if (client->step == H1_CLIENT_CLOSED)
        return;
    bool holds =
        buffer_length(&client->input) >= client->limits->window_bytes || client->has_ended_input;
    if (client->step == H1_CLIENT_HEAD)
        holds = client->has_ended_input;
    if (holds == client->is_read_paused)
        return;
    client->is_read_paused = holds;
    if (holds)
        stream_pause(client->transport);
    else
        stream_resume(client->transport);
}

static OUT_OF_LINE void keep(struct h1_client *client, struct slice rest)
{
    if (client->step == H1_CLIENT_CLOSED)
        return;
    if (client->step == H1_CLIENT_COMPLETE || client->step == H1_CLIENT_IDLE)
        client->must_close = true; /* extra bytes: never reused */
    else if (!buffer_append(&client->input, rest))
        h1_client_close(client, FAULT_UPSTREAM_HEAD_TOO_LARGE);
}

static OUT_OF_LINE void process_kept(struct h1_client *client)
{
    size_t length = buffer_length(&client->input);
    size_t used = process(client, buffer_slice(&client->input));

    if (used > 0 && buffer_length(&client->input) == length)
        buffer_consume(&client->input, used);
    if (client->step == H1_CLIENT_COMPLETE && buffer_length(&client->input) > 0)
        client->must_close = true;
}

static void take(struct h1_client *client, struct slice received)
{
    if (client->step == H1_CLIENT_IDLE) {
        h1_client_close(client, FAULT_UPSTREAM_MALFORMED);
        return;
    }
    if (buffer_length(&client->input) > 0) {
        keep(client, received);
        if (client->step != H1_CLIENT_CLOSED)
            process_kept(client);
        return;
    }
    client->is_reading = true;
    size_t used = process(client, received);
    client->is_reading = false;
    bool is_released = client->step == H1_CLIENT_IDLE; /* while it was being read */
    if (used == received.length && is_released)
        h1_client_offer(client);
    else if (is_released)
        h1_client_close(client, FAULT_UPSTREAM_MALFORMED);
    else if (used < received.length)
        keep(client, slice_after(received, used));
}

static void on_input_used_up(struct h1_client *client)
{
    enum fault fault = FAULT_NONE;

    switch (client->step) {
    case H1_CLIENT_TUNNEL:
        client->stream.events->on_end(client->stream.data);
        break;
    case H1_CLIENT_BODY:
        fault = client->is_body_open ? h1_body_end(&client->body) : FAULT_NONE;
        if (fault != FAULT_NONE)
            h1_client_close(client, fault);
        else
            on_complete(client);
        break;
    case H1_CLIENT_COMPLETE: /* closes when released */
        client->must_close = true;
        break;
    case H1_CLIENT_HEAD:
    case H1_CLIENT_IDLE:
        h1_client_close(client, FAULT_UPSTREAM_CLOSED);
        break;
    case H1_CLIENT_CLOSED:
        break;
    }
}

static bool is_used_up(const struct h1_client *client)
{
    bool has_data = client->step != H1_CLIENT_HEAD && buffer_length(&client->input) > 0;
    bool waits_for_user =
        client->is_paused && (client->step == H1_CLIENT_BODY || client->step == H1_CLIENT_TUNNEL);
    return client->has_ended_input && !has_data && !waits_for_user;
}

/* A reset in the middle of an answer cannot stand for its end, a close can. */
static OUT_OF_LINE void on_input_end(struct h1_client *client, bool is_broken)
{
    client->must_close = client->has_ended_input = true;
    if (is_broken && client->step != H1_CLIENT_COMPLETE)
        h1_client_close(client, client->step == H1_CLIENT_BODY ? FAULT_UPSTREAM_INCOMPLETE
                                                               : FAULT_UPSTREAM_CLOSED);
    else if (is_used_up(client))
        on_input_used_up(client);
    adjust_reading(client);
}

static void on_readable(void *data)
{
    struct h1_client *client = data;
    struct loop *loop = loop_of(client);
    ssize_t count = stream_read(client->transport, loop->scratch, LOOP_SCRATCH_BYTES);

    if (count > 0) {
        take(client, slice_of(loop->scratch, (size_t)count));
        adjust_reading(client);
    } else if (count != STREAM_AGAIN) {
        on_input_end(client, count == STREAM_BROKEN);
    }
    loop_flush(loop);
}

static void on_writable(void *data)
{
    struct h1_client *client = data;
    struct loop *loop = loop_of(client);
    h1_output_on_writable(&client->output);
    loop_flush(loop);
}

const struct stream_events H1_CLIENT_TRANSPORT = {on_readable, on_writable};

void h1_client_on_again(struct loop_deferred *item)
{
    struct h1_client *client = CONTAINER_OF(item, struct h1_client, again);

    if (client->has_stream) {
        if (client->is_body_open && is_body_complete(client))
            on_body_complete(client);
        else if (is_body_complete(client))
            on_complete(client);
    }
    if (buffer_length(&client->input) > 0)
        process_kept(client);
    if (is_used_up(client))
        on_input_used_up(client);
    adjust_reading(client);
    loop_flush(loop_of(client));
}

void h1_client_read_again(struct h1_client *client)
{
    if (client->step != H1_CLIENT_CLOSED)
        loop_defer(loop_of(client), &client->again);
}
