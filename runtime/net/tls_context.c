/*
 * tls_context — the rules of both sides, and counting references.
 */
#include "net/tls_context.h"

#include <assert.h>
#include <openssl/err.h>
#include <stdio.h>

#include "base/mem.h"
#include "net/tls_context_internal.h"

/* RFC 9325, 4.2: forward secrecy and AEAD. */
#define CIPHERS_1_2                                              \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* The default has AES256 first, and with it SHA-384, which takes five times as long as SHA-256. */
#define CIPHERS_1_3 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS      "X25519:P-256:P-384"

static SSL_CTX *create_ssl_context(struct tls_context *context, const SSL_METHOD *method)
{
    SSL_CTX *made = SSL_CTX_new(method);

    if (made == NULL || SSL_CTX_set_cipher_list(made, CIPHERS_1_2) != 1 ||
        SSL_CTX_set_ciphersuites(made, CIPHERS_1_3) != 1 ||
        SSL_CTX_set1_groups_list(made, GROUPS) != 1 ||
        SSL_CTX_set_min_proto_version(made, TLS1_2_VERSION) != 1) {
        fprintf(stderr, "moongate: OpenSSL cannot make a TLS context\n");
        abort();
    }
    SSL_CTX_set_options(made, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(made, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                               SSL_MODE_RELEASE_BUFFERS);
    /* Or a peer that keeps sending new keys would hold the loop in one SSL_read. */
    SSL_CTX_clear_mode(made, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(made, 1);
    SSL_CTX_set_app_data(made, context);
    return made;
}

struct tls_context *tls_context_create(const SSL_METHOD *method, size_t count)
{
    assert(count > 0);

    struct tls_context *context = mem_zeroed(sizeof(*context));
    atomic_init(&context->references, 1);
    tls_sessions_init(&context->sessions);
    context->ssl_contexts = mem_zeroed_array(count, sizeof(*context->ssl_contexts));
    context->count = count;
    for (size_t i = 0; i < count; i++)
        context->ssl_contexts[i] = create_ssl_context(context, method);
    return context;
}

struct tls_context *tls_context_acquire(struct tls_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

void tls_context_release(struct tls_context **context)
{
    struct tls_context *gone = *context;

    *context = NULL;
    size_t before = atomic_fetch_sub(&gone->references, 1);
    assert(before > 0);
    if (before > 1)
        return;
    if (gone->is_registered)
        tls_registry_remove(gone);
    for (size_t i = 0; i < gone->count; i++)
        SSL_CTX_free(gone->ssl_contexts[i]);
    OPENSSL_cleanse(&gone->tickets, sizeof(gone->tickets));
    tls_names_clear(&gone->names);
    tls_sessions_clear(&gone->sessions);
    free(gone->ssl_contexts);
    free(gone->alpn);
    free(gone);
}

void tls_context_set_ticket_secret(const unsigned char secret[TLS_TICKET_SECRET_BYTES])
{
    tls_tickets_set_secret(secret);
}
