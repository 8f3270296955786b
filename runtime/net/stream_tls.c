/*
 * stream_tls — a stream's bytes as TLS records.
 *
 * OpenSSL reads ahead, so that a record costs one system call; what it holds makes no
 * socket readable, which is why a reader that left bytes there is called again through
 * the loop. No SSL function is called after one failed for good.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/mem.h"
#include "net/socket_bytes.h"
#include "net/stream_bio.h"
#include "net/stream_tls.h"
#include "net/tls_context.h"

/* The most plain bytes in one TLS record (RFC 8446, 5.1). */
#define RECORD_BYTES_MAX 16384

/* A server sends two tickets, some send more; who sends this many between messages is not quiet. */
#define QUIET_RECORDS_MAX 16

/* Where a gathering write is in its vectors. */
struct gather {
    const struct iovec *vectors;
    int count;
    size_t offset; /* in the first vector */
};

/* What others have left; to look is a third of what clearing an empty queue takes. */
static void forget_errors(void)
{
    if (ERR_peek_last_error() != 0)
        ERR_clear_error();
}

static void on_again(struct loop_deferred *item)
{
    struct stream_tls *tls = CONTAINER_OF(item, struct stream_tls, again);
    struct stream *stream = tls->stream;

    if (stream->events != NULL && !stream->is_paused && stream_has_pending(stream))
        stream_deliver_readable(stream);
}

struct stream_tls *stream_tls_create(struct stream *stream, struct tls_context *context, SSL *ssl)
{
    struct stream_tls *tls = mem_zeroed(sizeof(*tls));

    tls->stream = stream;
    tls->context = tls_context_acquire(context);
    tls->ssl = ssl;
    BIO *bio = stream_bio_create(tls);
    SSL_set_bio(ssl, bio, bio);
    tls->again.run = on_again;
    list_init(&tls->again.node);
    return tls;
}

/* Whether close_notify may follow what was written so far. */
static bool is_sound(const struct stream_tls *tls)
{
    return tls->handshaken == NULL && !tls->is_broken && !tls->is_write_broken && tls->unsent == 0;
}

void stream_tls_close(struct stream *stream, bool polite)
{
    struct stream_tls *tls = stream->tls;
    list_remove(&tls->again.node);
    if (polite && is_sound(tls) && !stream->is_shut_down) {
        stream_end_soon(stream);
        forget_errors();
        SSL_shutdown(tls->ssl);
    }
    /* However the connection ended, its session stays good for the next one. */
    if (is_sound(tls))
        SSL_set_shutdown(tls->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(tls->ssl);
    ERR_clear_error();
    tls_context_release(&tls->context);
    free(tls->held);
    free(tls->server_name);
    free(tls->session_key);
    free(tls);
    stream->tls = NULL;
}

/* What an SSL function that did not succeed means; also for tls->is_broken. */
static int outcome_of(struct stream_tls *tls, int result)
{
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STREAM_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STREAM_END;
    default:
        tls->is_broken = true;
        ERR_clear_error();
        return STREAM_BROKEN;
    }
}

static ssize_t read_records(struct stream_tls *tls, char *bytes, size_t bytes_max)
{
    size_t sum = 0;

    tls->has_news = false;
    do {
        forget_errors();
        int got = SSL_read(tls->ssl, bytes + sum, (int)(bytes_max - sum));
        if (got <= 0) {
            int outcome = outcome_of(tls, got);
            /* With bytes to hand over first, the end or failure is for the next read. */
            tls->is_drained = outcome == STREAM_AGAIN;
            tls->has_news = outcome != STREAM_AGAIN;
            tls->read_wants_write = SSL_want_write(tls->ssl);
            return sum > 0 ? (ssize_t)sum : outcome;
        }
        sum += (size_t)got;
        tls->is_drained = false;
    } while (sum < bytes_max && SSL_has_pending(tls->ssl));
    return (ssize_t)sum;
}

ssize_t stream_tls_read(struct stream *stream, void *bytes, size_t bytes_max)
{
    struct stream_tls *tls = stream->tls;

    assert(tls->handshaken == NULL);
    if (tls->is_broken)
        return stream_end_reading(stream, STREAM_BROKEN);

    ssize_t got = read_records(tls, bytes, bytes_max < INT32_MAX ? bytes_max : INT32_MAX);
    if (tls->read_wants_write)
        stream_watch(stream);
    if (got == STREAM_END || got == STREAM_BROKEN)
        return stream_end_reading(stream, (int)got);
    if (stream_tls_has_pending(stream))
        loop_defer(stream->loop, &tls->again);
    else
        list_remove(&tls->again.node);
    return got;
}

bool stream_tls_has_pending(const struct stream *stream)
{
    const struct stream_tls *tls = stream->tls;

    if (tls->handshaken != NULL || stream->ending != STREAM_AGAIN)
        return false;
    return tls->has_news || (!tls->is_drained && SSL_has_pending(tls->ssl));
}

void stream_tls_wake(struct stream *stream)
{
    if (stream->events != NULL && stream_tls_has_pending(stream))
        loop_defer(stream->loop, &stream->tls->again);
}

/* The bytes of the next record: where they are when they are in one piece, else copied into `room`.
 */
static const char *gather_next(struct gather *from, char *room, size_t bytes_max, size_t *bytes)
{
    size_t sum = 0;

    while (from->count > 0 && sum < bytes_max) {
        const char *start = (const char *)from->vectors->iov_base + from->offset;
        size_t left = from->vectors->iov_len - from->offset;
        size_t taken = left < bytes_max - sum ? left : bytes_max - sum;

        from->offset += taken;
        if (taken == left) {
            from->vectors++;
            from->count--;
            from->offset = 0;
        }
        if (sum == 0 && (taken == bytes_max || from->count == 0)) {
            *bytes = taken;
            return start;
        }
        memcpy(room + sum, start, taken);
        sum += taken;
    }
    *bytes = sum;
    return room;
}

static ssize_t write_record(struct stream_tls *tls, const char *bytes, size_t length)
{
    forget_errors();
    int put = SSL_write(tls->ssl, bytes, (int)length);
    if (put > 0) {
        tls->unsent = 0;
        return put;
    }
    switch (SSL_get_error(tls->ssl, put)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        tls->unsent = length;
        return STREAM_AGAIN;
    case SSL_ERROR_SYSCALL:
        /* The peer takes no more, but what it said before that can still be read. */
        tls->is_write_broken = true;
        return STREAM_BROKEN;
    default:
        tls->is_broken = true;
        return STREAM_BROKEN;
    }
}

ssize_t stream_tls_write(struct stream *stream, const struct iovec *vectors, int count)
{
    struct stream_tls *tls = stream->tls;
    struct gather from = {.vectors = vectors, .count = count};
    char room[RECORD_BYTES_MAX];
    ssize_t sum = 0;

    assert(tls->handshaken == NULL);
    if (tls->is_broken || tls->is_write_broken)
        return STREAM_BROKEN;
    for (;;) {
        /* A record that OpenSSL could not send is encrypted: it must be offered as it was. */
        size_t bytes_max = tls->unsent > 0 ? tls->unsent : RECORD_BYTES_MAX, length;
        const char *bytes = gather_next(&from, room, bytes_max, &length);
        assert(tls->unsent == 0 || length == tls->unsent);
        if (length == 0)
            return sum;

        ssize_t put = write_record(tls, bytes, length);
        if (put < 0)
            return sum > 0 && put == STREAM_AGAIN ? sum : put;
        assert((size_t)put == length);
        sum += put;
    }
}

/* Whether the socket itself has nothing to say: OpenSSL stops after each ticket. */
static bool is_socket_silent(const struct stream *stream)
{
    char byte;

    return socket_receive(stream->readable.fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

bool stream_tls_is_quiet(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    char byte;

    if (tls->is_broken || tls->handshaken != NULL)
        return false;
    for (int i = 0; i < QUIET_RECORDS_MAX; i++) {
        forget_errors();
        int got = SSL_peek(tls->ssl, &byte, 1);
        if (got > 0 || outcome_of(tls, got) != STREAM_AGAIN)
            return false;
        tls->is_drained = true;
        if (is_socket_silent(stream))
            return true;
    }
    return false;
}

/* False when close_notify did not fit into the socket: to be tried again. */
static bool say_close_notify(struct stream_tls *tls)
{
    stream_end_soon(tls->stream);
    forget_errors();
    int result = SSL_shutdown(tls->ssl);
    return result >= 0 || outcome_of(tls, result) != STREAM_AGAIN;
}

void stream_tls_shut_down(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    /* In the middle of a record nobody may be told that this is the end. */
    if (is_sound(tls) && !say_close_notify(tls)) {
        tls->is_closing = true;
        stream_watch(stream);
        return;
    }
    shutdown(stream->writable.fd, SHUT_WR);
}

bool stream_tls_is_closing(const struct stream *stream)
{
    return stream->tls->is_closing;
}

bool stream_tls_wants_read(const struct stream *stream)
{
    return stream->tls->handshaken != NULL && stream->tls->handshake_wants == SSL_ERROR_WANT_READ;
}

bool stream_tls_wants_write(const struct stream *stream)
{
    const struct stream_tls *tls = stream->tls;

    if (tls->handshaken != NULL)
        return tls->handshake_wants == SSL_ERROR_WANT_WRITE;
    return tls->is_closing || tls->read_wants_write;
}

void stream_tls_on_readable(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (tls->handshaken != NULL) {
        stream_tls_shake_hands(stream);
        return;
    }
    list_remove(&tls->again.node);
    stream_deliver_readable(stream);
}

void stream_tls_on_writable(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;

    if (tls->handshaken != NULL) {
        stream_tls_shake_hands(stream);
        return;
    }
    if (tls->is_closing && say_close_notify(tls)) {
        tls->is_closing = false;
        shutdown(stream->writable.fd, SHUT_WR);
    }
    if (tls->read_wants_write) {
        tls->read_wants_write = false;
        tls->has_news = true;
        loop_defer(stream->loop, &tls->again);
    }
    stream_watch(stream);
    if (stream->is_awaited)
        stream_deliver_writable(stream);
}

SSL *stream_tls(const struct stream *stream)
{
    return stream->tls != NULL ? stream->tls->ssl : NULL;
}

struct slice stream_server_name(const struct stream *stream)
{
    if (stream->tls == NULL || stream->tls->server_name == NULL)
        return SLICE("");
    return slice_from_string(stream->tls->server_name);
}

struct slice stream_application_protocol(const struct stream *stream)
{
    const unsigned char *name = NULL;
    unsigned length = 0;

    if (stream->tls != NULL)
        SSL_get0_alpn_selected(stream->tls->ssl, &name, &length);
    return length > 0 ? slice_of((const char *)name, length) : SLICE("");
}
