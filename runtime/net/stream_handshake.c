/*
 * stream_handshake — turns a plain stream into a TLS one, as a server or as a client.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/stream_tls.h"
#include "net/tls_context.h"

#define DETAIL_BYTES 256
/* A DNS name, a space, an address. */
#define SESSION_KEY_BYTES 384

static enum fault describe_certificate(SSL *ssl, long verdict, char detail[DETAIL_BYTES])
{
    snprintf(detail, DETAIL_BYTES, "the certificate of the %s is not accepted: %s",
             SSL_is_server(ssl) ? "client" : "server", X509_verify_cert_error_string(verdict));
    return SSL_is_server(ssl) ? FAULT_REQUEST_MALFORMED : FAULT_UPSTREAM_CERTIFICATE;
}

/* Why the handshake failed, from OpenSSL's queue and the `error` of the last system call. */
static enum fault describe_failure(SSL *ssl, int error, char detail[DETAIL_BYTES])
{
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    long verdict = SSL_get_verify_result(ssl);

    /* Optional client certificates leave a verdict too, without failing for it. */
    if (verdict != X509_V_OK && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
        return describe_certificate(ssl, verdict, detail);
    if (reason == NULL)
        reason = error != 0 ? strerrordesc_np(error) : "the connection was closed";
    snprintf(detail, DETAIL_BYTES, "the TLS handshake failed: %s", reason);
    return SSL_is_server(ssl) ? FAULT_REQUEST_MALFORMED : FAULT_UPSTREAM_TLS;
}

static char *lower_case(const char *name)
{
    char *copy = mem_string(name);

    for (char *c = copy; c != NULL && *c != '\0'; c++)
        *c = slice_lower(*c);
    return copy;
}

static void finish(struct stream *stream, enum fault fault, const char *detail)
{
    struct stream_tls *tls = stream->tls;
    stream_handshaken *done = tls->handshaken;

    tls->handshaken = NULL;
    tls->is_broken = fault != FAULT_NONE;
    if (SSL_is_server(tls->ssl))
        tls->server_name = lower_case(SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name));
    stream_watch(stream);
    stream_tls_wake(stream);
    done(tls->handshaken_data, fault, detail);
}

static void step(struct stream *stream)
{
    struct stream_tls *tls = stream->tls;
    char detail[DETAIL_BYTES];

    ERR_clear_error();
    errno = 0;
    int result = SSL_do_handshake(tls->ssl);
    int error = errno;
    if (result == 1) {
        finish(stream, FAULT_NONE, NULL);
        return;
    }
    tls->handshake_wants = SSL_get_error(tls->ssl, result);
    if (tls->handshake_wants == SSL_ERROR_WANT_READ ||
        tls->handshake_wants == SSL_ERROR_WANT_WRITE) {
        stream_watch(stream);
        return;
    }
    enum fault fault = describe_failure(tls->ssl, error, detail);
    ERR_clear_error();
    tls_context_forget(tls->context, tls->session_key);
    finish(stream, fault, detail);
}

void stream_tls_shake_hands(struct stream *stream)
{
    struct loop *loop = stream->loop;

    step(stream);
    loop_flush(loop);
}

static void start(struct stream *stream, stream_handshaken *done, void *data)
{
    struct stream_tls *tls = stream->tls;

    tls->handshaken = done;
    tls->handshaken_data = data;
    step(stream);
}

void stream_accept_tls(struct stream *stream, struct tls_context *context, stream_handshaken *done,
                       void *data)
{
    assert(stream->tls == NULL && stream->ending == STREAM_AGAIN);

    SSL *ssl = tls_context_accept(context);
    stream->tls = stream_tls_create(stream, context, ssl);
    start(stream, done, data);
}

/* Sessions are kept by name and address: two targets that share a name seldom share ticket keys. */
static char *session_key_of(const struct stream_server *server)
{
    char address[ADDRESS_TEXT_BYTES], key[SESSION_KEY_BYTES];

    if (server->name == NULL)
        return NULL;
    struct slice where = address_format(server->address, address);
    int length = snprintf(key, sizeof(key), "%s %.*s", server->name, SLICE_FORMAT(where));
    return length < SESSION_KEY_BYTES ? mem_string(key) : NULL;
}

void stream_connect_tls(struct stream *stream, struct tls_context *context,
                        const struct stream_server *server, stream_handshaken *done, void *data)
{
    assert(stream->tls == NULL && stream->ending == STREAM_AGAIN);

    char *key = session_key_of(server);
    SSL *ssl = tls_context_connect(context, server->name, key);
    if (ssl == NULL) {
        free(key);
        done(data, FAULT_UPSTREAM_TLS, "no certificate can be for such a name");
        return;
    }
    stream->tls = stream_tls_create(stream, context, ssl);
    stream->tls->session_key = key;
    start(stream, done, data);
}
