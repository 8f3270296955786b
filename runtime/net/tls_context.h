/*
 * tls_context — certificates, keys and rules that many TLS connections share.
 *
 * Reference-counted: a generation holds one reference, each stream another, so a
 * reload never pulls a context from under a connection. TLS 1.2 and 1.3 only,
 * SSL_MODE_RELEASE_BUFFERS, no compression, no renegotiation.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct tls_context;

/* Longest text of an error, including the path it is about. */
#define TLS_CONTEXT_ERROR_BYTES 512

struct tls_certificate_files {
    const char *certificate; /* PEM chain: path, or the PEM text itself (begins with "-----BEGIN") */
    const char *key;         /* PEM: path or text */
};

enum tls_client_certificate { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

struct tls_server_options {
    const struct tls_certificate_files *certificates; /* the first one is the default */
    size_t certificate_count;
    enum tls_client_certificate client_certificate;
    const char *client_authority;    /* PEM path of the CAs that client certificates are verified with */
    const unsigned char *alpn;       /* wire format in order of preference, or NULL */
    size_t alpn_length;
    int version_min;                 /* TLS1_2_VERSION or TLS1_3_VERSION; 0: 1.2 */
};

struct tls_client_options {
    bool verify;                     /* the default is true; false only on an operator's explicit word */
    const char *authority;           /* PEM path of own CAs, or NULL: the system's */
    struct tls_certificate_files certificate; /* of ours, both NULL: none */
    const unsigned char *alpn;
    size_t alpn_length;
};

/* NULL on failure, with what is wrong in `error` (path and reason, no secret). A certificate that does not match its key fails here. */
struct tls_context *tls_context_create_server(const struct tls_server_options *options,
                                              char error[TLS_CONTEXT_ERROR_BYTES]);
struct tls_context *tls_context_create_client(const struct tls_client_options *options,
                                              char error[TLS_CONTEXT_ERROR_BYTES]);
struct tls_context *tls_context_acquire(struct tls_context *context);
void tls_context_release(struct tls_context **context);

/*
 * Session tickets that any worker can resume: `secret` is random, made once by
 * the master before it forks, and outlives reloads. Call before creating server contexts.
 */
#define TLS_TICKET_SECRET_BYTES 80
void tls_context_set_ticket_secret(const unsigned char secret[TLS_TICKET_SECRET_BYTES]);
