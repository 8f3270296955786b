/*
 * stream_bio — recv() and send() for OpenSSL, and tickets that wait.
 */
#include "net/stream_bio.h"

#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/socket_bytes.h"

/* Two tickets; larger ones have a client's certificate in them, and are sent at once. */
#define HELD_BYTES_MAX 1024

static bool holds(const struct stream_tls *tls, int length)
{
    return tls->handshaken != NULL && SSL_get_state(tls->ssl) == TLS_ST_SW_SESSION_TICKET &&
           tls->held_length + (size_t)length <= HELD_BYTES_MAX;
}

static int hold(struct stream_tls *tls, const char *bytes, int length)
{
    if (tls->held == NULL)
        tls->held = mem_alloc(HELD_BYTES_MAX);
    memcpy(tls->held + tls->held_length, bytes, (size_t)length);
    tls->held_length += (size_t)length;
    return length;
}

/* What was held goes first; how many of `bytes` went. */
static ssize_t send_with_held(struct stream_tls *tls, const char *bytes, size_t length)
{
    struct iovec vectors[2] = {{tls->held, tls->held_length}, {(char *)bytes, length}};
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = 2};
    ssize_t sent =
        socket_send_vectors(stream_fd(tls->stream), &message, stream_send_flags(tls->stream));

    if (sent < 0)
        return sent;
    if ((size_t)sent > tls->held_length) {
        sent -= (ssize_t)tls->held_length;
        tls->held_length = 0;
        free(tls->held);
        tls->held = NULL;
        return sent;
    }
    tls->held_length -= (size_t)sent;
    memmove(tls->held, tls->held + sent, tls->held_length);
    errno = EAGAIN;
    return -1;
}

static int write_socket(BIO *bio, const char *bytes, int length)
{
    struct stream_tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (holds(tls, length))
        return hold(tls, bytes, length);
    ssize_t sent = tls->held_length > 0 ? send_with_held(tls, bytes, (size_t)length)
                                        : socket_send(stream_fd(tls->stream), bytes, (size_t)length,
                                                      stream_send_flags(tls->stream));
    if (sent < 0 && errno == EAGAIN)
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int read_socket(BIO *bio, char *bytes, int bytes_max)
{
    struct stream_tls *tls = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    ssize_t got = socket_receive(stream_fd(tls->stream), bytes, (size_t)bytes_max, 0);
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    tls->has_socket_ended = got == 0;
    return (int)got;
}

static long control(BIO *bio, int command, long number, void *data)
{
    struct stream_tls *tls = BIO_get_data(bio);

    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return tls->has_socket_ended;
    default:
        return 0;
    }
}

static void *create_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

    if (method == NULL || BIO_meth_set_write(method, write_socket) != 1 ||
        BIO_meth_set_read(method, read_socket) != 1 || BIO_meth_set_ctrl(method, control) != 1) {
        fprintf(stderr, "moongate: OpenSSL cannot make a kind of BIO\n");
        abort();
    }
    return method;
}

static void destroy_method(void *method)
{
    BIO_meth_free(method);
}

BIO *stream_bio_create(struct stream_tls *tls)
{
    static const struct loop_kind METHOD = {create_method, destroy_method};
    BIO *bio = BIO_new(loop_keep(tls->stream->loop, &METHOD));

    if (bio == NULL) {
        fprintf(stderr, "moongate: OpenSSL cannot make a connection\n");
        abort();
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    return bio;
}
