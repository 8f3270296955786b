/*
 * h1_output — a queue in front of a stream, flushed once in a turn.
 */
#include "http/h1_output.h"

#include <assert.h>

#include "base/mem.h"

/* Beyond the window: a piece as large as a read, heads and chunk lines. */
#define QUEUE_SLACK_BYTES ((size_t)1 << 20)

static void on_flush(struct loop_flush *flush);

static COLD void on_stall(void *data)
{
    struct h1_output *output = data;
    if (output->has_told_broken)
        return;
    output->is_broken = output->has_told_broken = true;
    output->events->on_broken(output->data, true);
}

void h1_output_init(struct h1_output *output, struct stream *stream,
                    const struct http_session_limits *limits, const struct h1_output_events *events,
                    void *data)
{
    assert(limits->window_bytes > 0);
    *output = (struct h1_output){.stream = stream,
                                 .loop = stream_loop(stream),
                                 .events = events,
                                 .data = data,
                                 .limits = limits,
                                 .flush.flush = on_flush};
    buffer_init(&output->queue, limits->window_bytes + QUEUE_SLACK_BYTES, &output->loop->blocks);
    list_init(&output->flush.node);
}

static void end_stall(struct h1_output *output)
{
    if (output->stall != NULL)
        timeout_release(&output->stall);
}

void h1_output_clear(struct h1_output *output)
{
    list_remove(&output->flush.node);
    end_stall(output);
    buffer_clear(&output->queue);
}

void h1_output_touch(struct h1_output *output)
{
    if (!output->is_blocked || output->is_broken)
        loop_flush_later(output->loop, &output->flush);
}

/* Told from the loop, since nobody expects to be called back from a send. */
static COLD void set_broken(struct h1_output *output)
{
    output->is_broken = true;
    buffer_clear(&output->queue);
    loop_flush_later(output->loop, &output->flush);
}

static void set_blocked(struct h1_output *output)
{
    if (!output->is_blocked) {
        output->is_blocked = true;
        stream_await_writable(output->stream);
    }
    if (output->stall == NULL)
        output->stall = timeout_acquire(output->loop, on_stall, output);
    timeout_set(output->stall, output->limits->send_idle_seconds);
}

static void append(struct h1_output *output, struct slice bytes)
{
    if (!output->is_broken && !buffer_append(&output->queue, bytes))
        set_broken(output);
}

/* Writes the queue, which is not empty; what the kernel leaves stays. */
static void write_queue(struct h1_output *output)
{
    struct slice queued = buffer_slice(&output->queue);
    struct iovec vector = {(void *)queued.start, queued.length};
    ssize_t written = stream_write(output->stream, &vector, 1);

    if (UNLIKELY(written == STREAM_BROKEN)) {
        set_broken(output);
        return;
    }
    if (UNLIKELY(written < (ssize_t)queued.length))
        set_blocked(output);
    if (written > 0)
        buffer_consume(&output->queue, (size_t)written);
}

/* Writes the queue, `bytes` and `suffix` together; what the kernel leaves is queued. */
static void write_through(struct h1_output *output, struct slice bytes, struct slice suffix)
{
    struct slice queued = buffer_slice(&output->queue);
    struct iovec vectors[3];
    int count = 0;
    struct slice pieces[3] = {queued, bytes, suffix};

    for (int i = 0; i < 3; i++) {
        if (pieces[i].length > 0)
            vectors[count++] = (struct iovec){(void *)pieces[i].start, pieces[i].length};
    }
    ssize_t written = stream_write(output->stream, vectors, count);
    if (written == STREAM_BROKEN) {
        set_broken(output);
        return;
    }
    size_t left = written > 0 ? (size_t)written : 0;
    size_t total = queued.length + bytes.length + suffix.length;
    if (left < total)
        set_blocked(output);
    size_t from_queue = left < queued.length ? left : queued.length;
    if (from_queue > 0)
        buffer_consume(&output->queue, from_queue);
    left -= from_queue;
    for (int i = 1; i < 3; i++) {
        size_t taken = left < pieces[i].length ? left : pieces[i].length;
        append(output, slice_after(pieces[i], taken));
        left -= taken;
    }
}

bool h1_output_data(struct h1_output *output, struct slice bytes, struct slice suffix)
{
    if (output->is_broken)
        return true;
    bool gathers = buffer_length(&output->queue) + bytes.length <= H1_OUTPUT_GATHER_BYTES;
    if (gathers || output->is_blocked) {
        append(output, bytes);
        append(output, suffix);
        h1_output_touch(output);
    } else {
        write_through(output, bytes, suffix);
        if (!output->is_blocked)
            loop_flush_later(output->loop, &output->flush);
    }
    output->is_full = buffer_length(&output->queue) > output->limits->window_bytes;
    return !output->is_full;
}

static void tell_progress(struct h1_output *output)
{
    bool is_empty = h1_output_is_empty(output);

    if (is_empty)
        end_stall(output);
    if (output->is_full && buffer_length(&output->queue) <= output->limits->window_bytes / 2) {
        output->is_full = false;
        if (is_empty) /* on_drained comes with the next flush: the owner may be gone after this call
                       */
            loop_flush_later(output->loop, &output->flush);
        output->events->on_writable(output->data);
        return;
    }
    if (is_empty)
        output->events->on_drained(output->data);
}

static void on_flush(struct loop_flush *flush)
{
    struct h1_output *output = CONTAINER_OF(flush, struct h1_output, flush);

    if (!output->is_broken && !output->is_blocked && !h1_output_is_empty(output))
        write_queue(output);
    if (output->is_broken) {
        list_remove(&output->flush.node);
        if (!output->has_told_broken) {
            output->has_told_broken = true;
            output->events->on_broken(output->data, false);
        }
        return;
    }
    tell_progress(output);
}

void h1_output_push(struct h1_output *output)
{
    if (!output->is_broken && !output->is_blocked && !h1_output_is_empty(output))
        write_queue(output);
}

void h1_output_on_writable(struct h1_output *output)
{
    output->is_blocked = false;
    if (output->stall != NULL)
        timeout_clear(output->stall);
    on_flush(&output->flush);
}
