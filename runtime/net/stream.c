/*
 * stream — a socket's bytes and its two watchers.
 *
 * Two watchers instead of one with changing events: arming for writing then leaves the
 * read watcher alone, and libev merges both into one epoll_ctl. A watcher that is stopped
 * and started again within one turn costs no system call at all.
 */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/socket_bytes.h"
#include "net/stream_internal.h"

static void watch(struct ev_loop *ev, ev_io *watcher, bool is_wanted)
{
    if (is_wanted && !ev_is_active(watcher))
        ev_io_start(ev, watcher);
    else if (!is_wanted && ev_is_active(watcher))
        ev_io_stop(ev, watcher);
}

void stream_watch(struct stream *stream)
{
    bool reads = stream->events != NULL && !stream->is_paused && stream->ending == STREAM_AGAIN;
    bool writes = stream->is_awaited;

    if (stream->tls != NULL) {
        reads = reads || stream_tls_wants_read(stream);
        writes = writes || stream_tls_wants_write(stream);
    }
    watch(stream->loop->ev, &stream->readable, reads);
    watch(stream->loop->ev, &stream->writable, writes);
}

ssize_t stream_end_reading(struct stream *stream, int ending)
{
    assert(ending == STREAM_END || ending == STREAM_BROKEN);

    /* An end stays readable for ever: watching on would spin. */
    stream->ending = ending;
    stream_watch(stream);
    return ending;
}

void stream_deliver_readable(struct stream *stream)
{
    struct loop *loop = stream->loop;

    stream->events->on_readable(stream->data);
    loop_flush(loop);
}

void stream_deliver_writable(struct stream *stream)
{
    struct loop *loop = stream->loop;

    stream->is_awaited = false;
    stream_watch(stream);
    stream->events->on_writable(stream->data);
    loop_flush(loop);
}

static void on_readable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct stream *stream = watcher->data;

    if (stream->tls != NULL)
        stream_tls_on_readable(stream);
    else
        stream_deliver_readable(stream);
}

static void on_writable(struct ev_loop *ev, ev_io *watcher, int events)
{
    struct stream *stream = watcher->data;

    if (stream->tls != NULL)
        stream_tls_on_writable(stream);
    else
        stream_deliver_writable(stream);
}

struct stream *stream_create(struct loop *loop, int fd)
{
    assert(fd >= 0);

    struct stream *stream = mem_zeroed(sizeof(*stream));
    stream->loop = loop;
    stream->ending = STREAM_AGAIN;
    ev_io_init(&stream->readable, on_readable, fd, EV_READ);
    ev_io_init(&stream->writable, on_writable, fd, EV_WRITE);
    stream->readable.data = stream->writable.data = stream;
    return stream;
}

/*
 * With bytes left to read, closing is a reset and throws away what waits to be sent; shutting down
 * before sends what can be sent at once. What lies below TLS nobody knows.
 */
static bool closing_is_an_end(const struct stream *stream)
{
    return stream->tls == NULL && (stream->ending == STREAM_END || stream->peer_has_said_all);
}

static void stream_close(struct stream **stream, bool polite)
{
    struct stream *gone = *stream;
    bool is_end = closing_is_an_end(gone);

    *stream = NULL;
    if (gone->tls != NULL)
        stream_tls_close(gone, polite); /* its goodbye may be what ends soon */
    ev_io_stop(gone->loop->ev, &gone->readable);
    ev_io_stop(gone->loop->ev, &gone->writable);
    if (gone->ends_soon && polite && !gone->is_shut_down && !is_end)
        shutdown(gone->readable.fd, SHUT_WR);
    close(gone->readable.fd);
    free(gone);
}

void stream_destroy(struct stream **stream)
{
    stream_close(stream, true);
}

void stream_abort(struct stream **stream)
{
    static const struct linger RESET = {.l_onoff = 1, .l_linger = 0};

    setsockopt(stream_fd(*stream), SOL_SOCKET, SO_LINGER, &RESET, sizeof(RESET));
    stream_close(stream, false);
}

static void attach(struct stream *stream, const struct stream_events *events, void *data,
                   bool is_paused)
{
    stream->events = events;
    stream->data = data;
    stream->is_paused = is_paused;
    stream->is_awaited = false;
    stream_watch(stream);
    if (stream->tls != NULL)
        stream_tls_wake(stream);
}

void stream_attach(struct stream *stream, const struct stream_events *events, void *data)
{
    attach(stream, events, data, false);
}

void stream_attach_paused(struct stream *stream, const struct stream_events *events, void *data)
{
    attach(stream, events, data, true);
}

ssize_t stream_read(struct stream *stream, void *bytes, size_t bytes_max)
{
    assert(bytes_max > 0);

    if (stream->ending != STREAM_AGAIN)
        return stream->ending;
    if (stream->tls != NULL)
        return stream_tls_read(stream, bytes, bytes_max);

    ssize_t got = socket_receive(stream->readable.fd, bytes, bytes_max, 0);
    if (got > 0)
        return got;
    if (got == 0)
        return stream_end_reading(stream, stream->has_failed ? STREAM_BROKEN : STREAM_END);
    return errno == EAGAIN ? STREAM_AGAIN : stream_end_reading(stream, STREAM_BROKEN);
}

bool stream_has_pending(const struct stream *stream)
{
    return stream->tls != NULL && stream_tls_has_pending(stream);
}

static ssize_t write_plain(struct stream *stream, const struct iovec *vectors, int count)
{
    int fd = stream->writable.fd, flags = stream_send_flags(stream);
    struct msghdr message = {.msg_iov = (struct iovec *)vectors, .msg_iovlen = (size_t)count};
    ssize_t put = count == 1 ? socket_send(fd, vectors->iov_base, vectors->iov_len, flags)
                             : socket_send_vectors(fd, &message, flags);

    if (put >= 0)
        return put;
    if (errno == EAGAIN)
        return STREAM_AGAIN;
    /* The kernel tells a reset once, then pretends an end. EPIPE is what follows a true end. */
    stream->has_failed = stream->has_failed || errno != EPIPE;
    return STREAM_BROKEN;
}

ssize_t stream_write(struct stream *stream, const struct iovec *vectors, int count)
{
    assert(count > 0 && count <= STREAM_VECTORS_MAX);
    assert(!stream->is_shut_down);

    if (stream->tls != NULL)
        return stream_tls_write(stream, vectors, count);
    return write_plain(stream, vectors, count);
}

void stream_pause(struct stream *stream)
{
    stream->is_paused = true;
    stream_watch(stream);
}

void stream_resume(struct stream *stream)
{
    stream->is_paused = false;
    stream_watch(stream);
    if (stream->tls != NULL)
        stream_tls_wake(stream);
}

void stream_await_writable(struct stream *stream)
{
    assert(stream->events != NULL);

    stream->is_awaited = true;
    stream_watch(stream);
}

void stream_end_soon(struct stream *stream)
{
    stream->ends_soon = true;
}

void stream_peer_has_said_all(struct stream *stream)
{
    stream->peer_has_said_all = !stream_has_event(stream);
}

void stream_shut_down(struct stream *stream)
{
    if (stream->is_shut_down)
        return;
    stream->is_shut_down = true;
    if (stream->tls != NULL)
        stream_tls_shut_down(stream);
    else
        shutdown(stream->writable.fd, SHUT_WR);
}

bool stream_has_event(const struct stream *stream)
{
    return ev_is_pending(&stream->readable);
}

bool stream_has_unsent(const struct stream *stream)
{
    int bytes = 0;

    if (stream->tls != NULL && stream_tls_is_closing(stream))
        return true;
    return ioctl(stream->writable.fd, SIOCOUTQNSD, &bytes) == 0 && bytes > 0;
}

bool stream_is_quiet(struct stream *stream)
{
    char byte;

    if (stream->ending != STREAM_AGAIN)
        return false;
    if (stream->tls != NULL)
        return stream_tls_is_quiet(stream);

    ssize_t got = socket_receive(stream->readable.fd, &byte, 1, MSG_PEEK);
    if (got < 0 && errno == EAGAIN)
        return true;
    if (got < 0)
        stream_end_reading(stream, STREAM_BROKEN);
    return false;
}

uint64_t stream_bytes_acknowledged(const struct stream *stream)
{
    bool is_reset = stream->has_failed || stream->ending == STREAM_BROKEN;
    struct tcp_info info;
    socklen_t length = sizeof(info);

    if (getsockopt(stream->readable.fd, IPPROTO_TCP, TCP_INFO, &info, &length) != 0 ||
        length < offsetof(struct tcp_info, tcpi_bytes_sent) + sizeof(info.tcpi_bytes_sent))
        return UINT64_MAX;
    /* The kernel counts the SYN among what was acknowledged, not among what was sent. */
    return is_reset && info.tcpi_bytes_sent > info.tcpi_bytes_acked ? info.tcpi_bytes_sent
                                                                    : info.tcpi_bytes_acked;
}

int stream_fd(const struct stream *stream)
{
    return stream->readable.fd;
}

struct loop *stream_loop(const struct stream *stream)
{
    return stream->loop;
}
