/*
 * tls_context — certificates, keys and rules that many TLS connections share.
 *
 * Reference-counted: a generation holds one reference, each stream another, so a
 * reload never pulls a context from under a connection. May be created on one thread and
 * used on another, but its connections all belong to one loop. TLS 1.2 and 1.3 only, for
 * 1.2 only forward-secret AEAD ciphers; SSL_MODE_RELEASE_BUFFERS, no compression, no
 * renegotiation, no early data (it could be replayed).
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

struct tls_context;
typedef struct ssl_st SSL;

/* Longest text of an error, including the path it is about. */
#define TLS_CONTEXT_ERROR_BYTES 512

/* A text in PEM, and what errors call it, such as the path it was read from. `text.start` NULL:
 * none. */
struct tls_pem {
    struct slice name, text;
};

struct tls_identity {
    struct tls_pem certificate; /* the certificate, then its chain */
    struct tls_pem key;         /* without a passphrase */
};

/* OPTIONAL lets everybody through; who has no valid certificate shows in SSL_get_verify_result().
 */
enum tls_client_certificate { TLS_CLIENT_NONE, TLS_CLIENT_OPTIONAL, TLS_CLIENT_REQUIRED };

/* All is copied. */
struct tls_server_options {
    const struct tls_identity *identities; /* chosen by SNI; the first is the default */
    size_t identity_count;
    enum tls_client_certificate client_certificate;
    struct tls_pem client_authority; /* CAs that client certificates are verified with, or none */
    struct tls_pem revoked;          /* CRLs (RFC 5280, 5), one of each CA of a chain, or none */
    bool takes_expired_lists;        /* a CRL counts after its nextUpdate, too */
    const unsigned char *alpn;       /* wire format in order of preference, or NULL */
    size_t alpn_length;
    int version_min; /* TLS1_2_VERSION or TLS1_3_VERSION; 0: 1.2 */
};

struct tls_client_options {
    bool verify;              /* the default is true; false only on an operator's explicit word */
    struct tls_pem authority; /* own CAs instead of the system's; none: the system's */
    struct tls_identity identity; /* ours, or none */
    const unsigned char *alpn;
    size_t alpn_length;
};

/*
 * NULL on failure, with what is wrong in `error` (name and reason, no secret). A certificate that
 * does not match its key fails here. Certificates are chosen by the names they are for: the exact
 * one, then `*.` for one label; where several are for a name, the first in order.
 */
struct tls_context *tls_context_create_server(const struct tls_server_options *options,
                                              char error[TLS_CONTEXT_ERROR_BYTES]);
struct tls_context *tls_context_create_client(const struct tls_client_options *options,
                                              char error[TLS_CONTEXT_ERROR_BYTES]);
struct tls_context *tls_context_acquire(struct tls_context *context);
void tls_context_release(struct tls_context **context);

/*
 * Session tickets that any worker can resume: `secret` is random, made once by
 * the master before it forks, and outlives reloads. Call before creating server contexts;
 * without it, each context resumes only its own sessions.
 */
#define TLS_TICKET_SECRET_BYTES 80
void tls_context_set_ticket_secret(const unsigned char secret[TLS_TICKET_SECRET_BYTES]);

/*
 * For streams: one end of a connection, yet without a BIO. `server_name` and `session_key` may be
 * NULL, and `session_key`, under which sessions are kept for resumption, must outlive what is
 * returned.
 */
SSL *tls_context_accept(struct tls_context *context);
/* NULL when no certificate could be for `server_name`. */
SSL *tls_context_connect(struct tls_context *context, const char *server_name,
                         const char *session_key);
/* A handshake failed: the session kept under this key (may be NULL) is not tried again. */
void tls_context_forget(struct tls_context *context, const char *session_key);
