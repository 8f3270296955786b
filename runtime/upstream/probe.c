/*
 * probe — a call on a cluster that has the target alone, or no more than a connection to it.
 */
#include "upstream/probe.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "upstream/call.h"
#include "upstream/cluster_parts.h"
#include "upstream/dial.h"

#define WHY_BYTES 96

struct probe {
    struct list node; /* of those that run */
    struct probe_subject subject;
    probe_done *done;
    void *data;
    char why[WHY_BYTES];

    struct cluster *own; /* of HTTP: the target alone */
    struct http_stream *stream;
    struct call_options call;
    struct request request;
    struct arena arena;
    struct buffer body;

    struct dial dial; /* of TCP */
};

static void destroy(struct probe *probe)
{
    if (probe->stream != NULL)
        http_stream_release(&probe->stream);
    dial_cancel(&probe->dial);
    buffer_clear(&probe->body);
    arena_clear(&probe->arena);
    if (probe->own != NULL)
        cluster_release(&probe->own);
    list_remove(&probe->node);
    target_release(&probe->subject.target);
    cluster_release(&probe->subject.cluster);
    free(probe);
}

static void finish(struct probe *probe, bool is_well)
{
    probe->done(probe->data, &probe->subject, is_well, is_well ? NULL : probe->why);
    destroy(probe);
}

static void fail(struct probe *probe, const char *why)
{
    snprintf(probe->why, sizeof(probe->why), "%s", why);
    finish(probe, false);
}

static bool is_expected(const struct probe_options *options, int status)
{
    if (options->status_count == 0)
        return status >= 200 && status < 400;
    for (unsigned i = 0; i < options->status_count; i++) {
        if (status >= options->statuses[i].first && status <= options->statuses[i].last)
            return true;
    }
    return false;
}

static void on_response(void *data, struct response *response)
{
    struct probe *probe = data;
    const struct probe_options *options = &probe->subject.cluster->probe_options;

    if (!is_expected(options, response->status)) {
        snprintf(probe->why, sizeof(probe->why), "status %d", response->status);
        finish(probe, false);
    } else if (options->body.length == 0) {
        finish(probe, true);
    }
}

static void on_data(void *data, struct slice bytes)
{
    struct probe *probe = data;
    size_t room = PROBE_BODY_BYTES_MAX - buffer_length(&probe->body);

    if (bytes.length > room)
        bytes.length = room;
    bool fits = buffer_append(&probe->body, bytes);
    assert(fits);
}

static void on_end(void *data)
{
    struct probe *probe = data;
    struct slice text = probe->subject.cluster->probe_options.body;
    struct slice body = buffer_slice(&probe->body);

    if (body.length >= text.length &&
        memmem(body.start, body.length, text.start, text.length) != NULL)
        finish(probe, true);
    else
        fail(probe, "the body is another one");
}

static void on_failed(void *data, enum fault fault)
{
    fail(data, fault_type(fault));
}

static const struct http_stream_events EVENTS = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_failed = on_failed,
};

static struct cluster *lone_cluster(struct probe *probe, struct clusters *clusters)
{
    const struct target *target = probe->subject.target;
    const struct cluster_target_options alone = {
        .host = slice_from_string(target->host),
        .port = target->port,
        .weight = 1,
        .is_tls = target->is_tls,
    };
    const char *name = probe->subject.cluster->server_name;
    struct cluster_options options = {
        .name = arena_format(&probe->arena, "%.*s %p", SLICE_FORMAT(target->url), (void *)probe),
        .targets = &alone,
        .target_count = 1,
        .protocol = probe->subject.cluster->protocol,
        .tls = probe->subject.cluster->tls,
        .server_name = name != NULL ? slice_from_string(name) : SLICE_NONE,
    };
    return clusters_acquire(clusters, &options);
}

static void ask(struct probe *probe, struct clusters *clusters)
{
    const struct probe_options *options = &probe->subject.cluster->probe_options;
    struct slice host = options->host.length > 0                ? options->host
                        : probe->subject.target->host[0] == '/' ? SLICE("localhost")
                                                                : probe->subject.target->text;
    /* The cluster may get other options while this goes on. */
    struct slice path = arena_copy(&probe->arena, options->path);
    size_t mark = slice_find(path, '?');

    host = arena_copy(&probe->arena, host);
    probe->own = lone_cluster(probe, clusters);
    probe->call = CALL_OPTIONS;
    probe->call.connect_seconds = probe->call.total_seconds = options->timeout;
    probe->call.retries = 0;
    struct request *request = &probe->request;
    request->method_name = SLICE("GET");
    request->method = METHOD_GET;
    request->scheme = probe->subject.target->is_tls ? SLICE("https") : SLICE("http");
    request->minor_version = 1;
    request->target = path;
    request->path = slice_of(path.start, mark);
    request->query = mark < path.length ? slice_after(path, mark + 1) : SLICE_NONE;
    request->authority = host;
    request->content_length = MESSAGE_LENGTH_UNKNOWN;
    headers_set_known(&request->headers, &probe->arena, HEADER_HOST, host);
    headers_add(&request->headers, &probe->arena, SLICE("User-Agent"), SLICE("moongate-probe"));
    probe->stream = call_start(probe->own, &probe->call, &EVENTS, probe, &probe->arena);
    http_stream_send_request(probe->stream, request);
    http_stream_send_end(probe->stream, NULL);
}

static void on_dialled(void *data, enum fault fault, struct stream *stream, const char *detail)
{
    struct probe *probe = data;

    if (fault != FAULT_NONE) {
        fail(probe, fault_type(fault));
        return;
    }
    stream_destroy(&stream);
    finish(probe, true);
}

static void connect_to(struct probe *probe)
{
    const struct cluster *cluster = probe->subject.cluster;
    const char *name = cluster->server_name;
    struct dial_options options = {
        .loop = cluster->clusters->loop,
        .resolver = cluster->clusters->resolver,
        .host = probe->subject.target->host,
        .port = probe->subject.target->port,
        .tls = probe->subject.target->is_tls ? cluster->tls : NULL,
        .server_name = name != NULL ? arena_format(&probe->arena, "%s", name).start : NULL,
        .timeout = cluster->probe_options.timeout,
    };
    dial_start(&probe->dial, &options, on_dialled, probe);
}

void probe_start(const struct probe_subject *subject, probe_done *done, void *data)
{
    struct probe *probe = mem_zeroed(sizeof(*probe));
    struct loop *loop = subject->cluster->clusters->loop;

    probe->subject = *subject;
    cluster_acquire(subject->cluster);
    target_acquire(subject->target);
    list_push_back(subject->running, &probe->node);
    probe->done = done;
    probe->data = data;
    arena_init(&probe->arena);
    buffer_init(&probe->body, PROBE_BODY_BYTES_MAX, &loop->blocks);
    dial_init(&probe->dial);
    if (probe->subject.cluster->probe_options.kind == PROBE_TCP)
        connect_to(probe);
    else
        ask(probe, subject->clusters);
}

void probe_cancel_all(struct list *running)
{
    while (!list_is_empty(running))
        destroy(CONTAINER_OF(running->next, struct probe, node));
}
