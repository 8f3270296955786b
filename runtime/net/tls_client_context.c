/*
 * tls_client_context — how upstreams are verified, and sessions with them resumed.
 */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "net/tls_authorities.h"
#include "net/tls_certificate.h"
#include "net/tls_context_internal.h"

/* OpenSSL has a session that can be resumed; with TLS 1.3 that is some time after the handshake. */
static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    const char *key = SSL_get_app_data(ssl);

    if (key == NULL || SSL_SESSION_is_resumable(session) != 1)
        return 0;
    tls_sessions_put(&context->sessions, key, session);
    return 1;
}

static bool set_authorities(SSL_CTX *ssl_context, const struct tls_client_options *options,
                            char *error)
{
    if (!options->verify)
        return true;
    SSL_CTX_set_verify(ssl_context, SSL_VERIFY_PEER, NULL);
    if (options->authority.text.start != NULL)
        return tls_certificate_trust(SSL_CTX_get_cert_store(ssl_context), &options->authority,
                                     error);

    X509_STORE *system = tls_authorities_of_system(error);
    if (system == NULL)
        return false;
    SSL_CTX_set_cert_store(ssl_context, system);
    return true;
}

static bool set_up(SSL_CTX *ssl_context, const struct tls_client_options *options, char *error)
{
    SSL_CTX_set_session_cache_mode(ssl_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl_context, on_new_session);
    if (options->alpn_length > 0)
        SSL_CTX_set_alpn_protos(ssl_context, options->alpn, (unsigned)options->alpn_length);
    if (!set_authorities(ssl_context, options, error))
        return false;
    return options->identity.certificate.text.start == NULL ||
           tls_certificate_load(ssl_context, &options->identity, error);
}

struct tls_context *tls_context_create_client(const struct tls_client_options *options,
                                              char error[TLS_CONTEXT_ERROR_BYTES])
{
    struct tls_context *context = tls_context_create(TLS_client_method(), 1);

    if (!set_up(context->ssl_contexts[0], options, error))
        tls_context_release(&context);
    return context;
}

static bool is_ip_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

/* False when no certificate could be for that name: OpenSSL takes the empty one for "any". */
static bool expect_name(SSL *ssl, const char *name)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    char host[TLS_NAME_BYTES_MAX + 1];
    size_t length = strlen(name);

    if (is_ip_address(name)) /* RFC 6066, 3: no SNI for addresses */
        return X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1;
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length == 0 || length > TLS_NAME_BYTES_MAX)
        return false;
    memcpy(host, name, length);
    host[length] = '\0';
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return X509_VERIFY_PARAM_set1_host(param, host, length) == 1 &&
           SSL_set_tlsext_host_name(ssl, host) == 1;
}

static void resume(struct tls_context *context, SSL *ssl, const char *session_key)
{
    SSL_SESSION *session =
        session_key != NULL ? tls_sessions_find(&context->sessions, session_key) : NULL;

    SSL_set_app_data(ssl, (void *)session_key);
    if (session != NULL)
        SSL_set_session(ssl, session);
}

SSL *tls_context_connect(struct tls_context *context, const char *server_name,
                         const char *session_key)
{
    SSL *ssl = SSL_new(context->ssl_contexts[0]);

    if (ssl == NULL) {
        fprintf(stderr, "moongate: OpenSSL cannot make a connection\n");
        abort();
    }
    SSL_set_connect_state(ssl);
    if (server_name != NULL && !expect_name(ssl, server_name)) {
        SSL_free(ssl);
        return NULL;
    }
    resume(context, ssl, session_key);
    return ssl;
}

void tls_context_forget(struct tls_context *context, const char *session_key)
{
    if (session_key != NULL)
        tls_sessions_remove(&context->sessions, session_key);
}
