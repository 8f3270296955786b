/*
 * tls_server_context — a listener's certificates, and what it asks of its clients.
 *
 * Each certificate has an SSL_CTX of its own; SNI switches a connection to another one.
 * What a switch leaves behind (protocol options) or takes along (CAs, ticket keys) differs,
 * so all of them are set up alike.
 */
#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "net/tls_certificate.h"
#include "net/tls_context_internal.h"
#include "net/tls_revocation.h"

/* How long a session can be resumed, in seconds: less than a ticket key lives. */
#define SESSION_SECONDS 7200

static int on_server_name(SSL *ssl, int *alert, void *data)
{
    struct tls_context *context = data;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    size_t index;

    if (name == NULL || !tls_names_find(&context->names, slice_from_string(name), &index))
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_set_SSL_CTX(ssl, context->ssl_contexts[index]) != NULL ? SSL_TLSEXT_ERR_OK
                                                                      : SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* No protocol in common ends the handshake (RFC 7301, 3.2): bytes of one must not reach another. */
/* NOLINTNEXTLINE(readability-function-size): as OpenSSL has it. */
static int on_alpn(SSL *ssl, const unsigned char **chosen, unsigned char *length,
                   const unsigned char *offered, unsigned offered_length, void *data)
{
    struct tls_context *context = data;
    unsigned char *out = NULL;

    if (SSL_select_next_proto(&out, length, context->alpn, (unsigned)context->alpn_length, offered,
                              offered_length) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = out;
    return SSL_TLSEXT_ERR_OK;
}

/* NOLINTNEXTLINE(readability-function-size,readability-non-const-parameter): as OpenSSL has it. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_sealing)
{
    struct tls_context *context = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct tls_ticket ticket = {.name = name, .iv = iv, .cipher = cipher, .mac = mac};
    uint64_t now = (uint64_t)time(NULL);

    if (is_sealing)
        return tls_tickets_seal(&context->tickets, now, &ticket);
    int result = tls_tickets_open(&context->tickets, now, &ticket);
    /* A ticket of TLS 1.3 is good for one connection (RFC 8446, C.4): always followed by another.
     */
    return result == 1 && SSL_version(ssl) == TLS1_3_VERSION ? 2 : result;
}

/* SSL_get_verify_result() keeps what was found; policies decide. */
static int let_through(int is_valid, X509_STORE_CTX *found)
{
    return 1;
}

/* Clients that have several certificates choose by the names of the CAs. */
static void announce_authorities(SSL_CTX *ssl_context)
{
    STACK_OF(X509) *all = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(ssl_context));

    for (int i = 0; i < sk_X509_num(all); i++)
        SSL_CTX_add_client_CA(ssl_context, sk_X509_value(all, i));
    sk_X509_pop_free(all, X509_free);
}

static bool set_client_certificate(struct tls_context *context,
                                   const struct tls_server_options *options, char *error)
{
    SSL_CTX *first = context->ssl_contexts[0];
    bool is_required = options->client_certificate == TLS_CLIENT_REQUIRED;

    if (options->client_certificate == TLS_CLIENT_NONE)
        return true;
    if (options->client_authority.text.start == NULL) {
        snprintf(error, TLS_CONTEXT_ERROR_BYTES,
                 "client certificates need an authority to verify them with");
        return false;
    }
    X509_STORE *store = SSL_CTX_get_cert_store(first);
    if (!tls_certificate_trust(store, &options->client_authority, error))
        return false;
    bool has_lists = options->revoked.text.start != NULL;
    if (has_lists && !tls_revocation_check(store, &options->revoked, error))
        return false;
    tls_revocation_verdict *verdict = is_required ? NULL : let_through;
    if (has_lists && options->takes_expired_lists)
        verdict = tls_revocation_with_expired_lists(is_required);
    for (size_t i = 0; i < context->count; i++) {
        SSL_CTX *each = context->ssl_contexts[i];
        if (i > 0)
            SSL_CTX_set1_cert_store(each, SSL_CTX_get_cert_store(first));
        announce_authorities(each);
        SSL_CTX_set_verify(
            each, SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), verdict);
    }
    return true;
}

static void digest_certificate(EVP_MD_CTX *digest, const X509 *certificate)
{
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned length = 0;

    X509_digest(certificate, EVP_sha256(), bytes, &length);
    EVP_DigestUpdate(digest, bytes, length);
}

/*
 * A session is resumed only under the rules it was made under: what was asked of the client's
 * certificate then is not asked again. Made of contents, so that it is the same in all workers.
 */
static void set_session_id_context(struct tls_context *context,
                                   const struct tls_server_options *options)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    STACK_OF(X509) *authorities =
        X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(context->ssl_contexts[0]));

    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    EVP_DigestUpdate(digest, &options->client_certificate, sizeof(options->client_certificate));
    EVP_DigestUpdate(digest, &options->takes_expired_lists, sizeof(options->takes_expired_lists));
    if (options->revoked.text.start != NULL)
        EVP_DigestUpdate(digest, options->revoked.text.start, options->revoked.text.length);
    for (int i = 0; i < sk_X509_num(authorities); i++)
        digest_certificate(digest, sk_X509_value(authorities, i));
    for (size_t i = 0; i < context->count; i++)
        digest_certificate(digest, SSL_CTX_get0_certificate(context->ssl_contexts[i]));
    EVP_DigestFinal_ex(digest, id, &length);
    EVP_MD_CTX_free(digest);
    sk_X509_pop_free(authorities, X509_free);

    assert(length <= SSL_MAX_SID_CTX_LENGTH);
    for (size_t i = 0; i < context->count; i++)
        SSL_CTX_set_session_id_context(context->ssl_contexts[i], id, length);
}

static void set_up(struct tls_context *context, SSL_CTX *each, int version_min)
{
    SSL_CTX_set_options(each, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    if (version_min != 0)
        SSL_CTX_set_min_proto_version(each, version_min);
    /* Sessions live in tickets, with the client. */
    SSL_CTX_set_session_cache_mode(each, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(each, SESSION_SECONDS);
    SSL_CTX_set_max_early_data(each, 0);
    SSL_CTX_set_tlsext_servername_callback(each, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(each, context);
    if (context->alpn_length > 0)
        SSL_CTX_set_alpn_select_cb(each, on_alpn, context);
    if (tls_tickets_have_secret())
        SSL_CTX_set_tlsext_ticket_key_evp_cb(each, on_ticket);
}

static bool load_certificates(struct tls_context *context, const struct tls_server_options *options,
                              char *error)
{
    for (size_t i = 0; i < context->count; i++) {
        SSL_CTX *each = context->ssl_contexts[i];
        if (!tls_certificate_load(each, &options->identities[i], error))
            return false;
        tls_certificate_names(SSL_CTX_get0_certificate(each), &context->names, i);
    }
    tls_names_sort(&context->names);
    return true;
}

struct tls_context *tls_context_create_server(const struct tls_server_options *options,
                                              char error[TLS_CONTEXT_ERROR_BYTES])
{
    assert(options->identity_count > 0);

    struct tls_context *context = tls_context_create(TLS_server_method(), options->identity_count);
    if (options->alpn_length > 0) {
        context->alpn = mem_alloc(options->alpn_length);
        memcpy(context->alpn, options->alpn, options->alpn_length);
        context->alpn_length = options->alpn_length;
    }
    for (size_t i = 0; i < context->count; i++)
        set_up(context, context->ssl_contexts[i], options->version_min);
    if (!load_certificates(context, options, error) ||
        !set_client_certificate(context, options, error)) {
        tls_context_release(&context);
        return NULL;
    }
    set_session_id_context(context, options);
    return context;
}

SSL *tls_context_accept(struct tls_context *context)
{
    SSL *ssl = SSL_new(context->ssl_contexts[0]);

    if (ssl == NULL) {
        fprintf(stderr, "moongate: OpenSSL cannot make a connection\n");
        abort();
    }
    SSL_set_accept_state(ssl);
    return ssl;
}
