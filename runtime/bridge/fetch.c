/*
 * fetch — a client's stream whose answer is collected.
 */
#include "bridge/fetch.h"

#include "gateway/exchange_deadline.h"
#include "http/uri.h"
#include "net/loop.h"

/* A body is handed over in pieces of this size. */
#define PIECE_BYTES 65536

const struct request FETCH_REQUEST = {
    .scheme = SLICE("http"),
    .minor_version = 1,
    .content_length = MESSAGE_LENGTH_UNKNOWN,
};

void fetch_init(struct fetch *fetch, struct arena *arena, struct loop *loop, size_t received_max)
{
    memset(fetch, 0, offsetof(struct fetch, request));
    fetch->arena = arena;
    fetch->options = CALL_OPTIONS;
    fetch->received_max = received_max < FETCH_BODY_MAX ? received_max : FETCH_BODY_MAX;
    buffer_init(&fetch->received, FETCH_BODY_MAX, &loop->blocks);
}

/* Too little for anything, as no time at all would be no limit. */
#define SECONDS_LEAST 0.001

void fetch_limit(struct fetch *fetch, const struct exchange *exchange)
{
    double left = exchange != NULL ? exchange_deadline_left(exchange) : -1;
    double *total = &fetch->options.total_seconds;

    if (left >= 0 && left < SECONDS_LEAST)
        left = SECONDS_LEAST;
    if (left >= 0 && (*total <= 0 || left < *total))
        *total = left;
}

void fetch_set_body(struct fetch *fetch, struct slice body)
{
    fetch->body_left = body;
    fetch->request.body = BODY_LENGTH;
    fetch->request.content_length = body.length;
}

void fetch_stop(struct fetch *fetch)
{
    if (fetch->stream != NULL)
        http_stream_release(&fetch->stream);
    buffer_clear(&fetch->received);
}

static void end(struct fetch *fetch, enum fault fault)
{
    http_stream_release(&fetch->stream);
    fetch->ended(fetch->data, fault);
}

static void on_response(void *data, struct response *response)
{
    struct fetch *fetch = data;
    fetch->response = response;
}

const struct headers *fetch_fields(const struct fetch *fetch)
{
    headers_remove_hop_by_hop(&fetch->response->headers);
    return &fetch->response->headers;
}

static void on_data(void *data, struct slice bytes)
{
    struct fetch *fetch = data;
    if (bytes.length > fetch->received_max - buffer_length(&fetch->received) ||
        !buffer_append(&fetch->received, bytes))
        end(fetch, FAULT_UPSTREAM_BODY_TOO_LARGE);
}

static void on_end(void *data)
{
    end(data, FAULT_NONE);
}

static void on_failed(void *data, enum fault fault)
{
    end(data, fault);
}

static void send_body(struct fetch *fetch)
{
    bool may_go_on = true;

    while (fetch->body_left.length > 0 && may_go_on) {
        size_t length =
            fetch->body_left.length < PIECE_BYTES ? fetch->body_left.length : PIECE_BYTES;
        may_go_on = http_stream_send_data(fetch->stream, slice_of(fetch->body_left.start, length));
        fetch->body_left = slice_after(fetch->body_left, length);
    }
    if (fetch->body_left.length > 0 || fetch->has_sent_end)
        return; /* there may be room once more after the last piece */
    fetch->has_sent_end = true;
    http_stream_send_end(fetch->stream, NULL);
}

/* Also comes when the last piece did not find a connection yet. */
static void on_writable(void *data)
{
    send_body(data);
}

static const struct http_stream_events EVENTS = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_writable = on_writable,
    .on_failed = on_failed,
};

void fetch_start(struct fetch *fetch, struct cluster *cluster)
{
    fetch->stream = call_start(cluster, &fetch->options, &EVENTS, fetch, fetch->arena);
    http_stream_send_request(fetch->stream, &fetch->request);
    send_body(fetch);
}

bool fetch_is_path(struct slice path)
{
    for (size_t i = 0; i < path.length; i++) {
        if (path.start[i] <= ' ' || path.start[i] > '~')
            return false;
    }
    return path.length > 0 && path.start[0] == '/';
}

/* An authority has neither blanks nor line ends. */
bool fetch_is_authority(struct slice text)
{
    struct uri_authority parts;
    return uri_parse_authority(text, &parts);
}

bool fetch_is_method(struct slice name)
{
    return headers_is_name(name) && method_of(name) != METHOD_CONNECT;
}

void fetch_set_path(struct request *request, struct slice path)
{
    size_t mark = slice_find(path, '?');
    request->path = slice_of(path.start, mark);
    request->query = mark < path.length ? slice_after(path, mark + 1) : SLICE_NONE;
}
