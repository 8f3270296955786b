/*
 * tls_certificate — PEM texts into what OpenSSL signs and verifies with.
 *
 * Texts of errors have the name of what was given and the reason, never a key.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "net/tls_context.h"
#include "net/tls_names.h"

/* To read a text from its beginning; OpenSSL's errors are forgotten. */
BIO *tls_certificate_open(const struct tls_pem *pem);
/* Writes "NAME: what: OpenSSL's reason" and forgets OpenSSL's errors. Returns false. */
bool tls_certificate_refuse(char error[TLS_CONTEXT_ERROR_BYTES], const struct tls_pem *pem,
                            const char *what);
/* Certificate, chain and key, which must belong together. */
bool tls_certificate_load(SSL_CTX *ssl_context, const struct tls_identity *identity,
                          char error[TLS_CONTEXT_ERROR_BYTES]);
/* The DNS names it is for: its subjectAltNames or, where it has none, its common name. */
void tls_certificate_names(X509 *certificate, struct tls_names *names, size_t index);
/* Adds the CAs in `authority` to `store`; there must be one at least. */
bool tls_certificate_trust(X509_STORE *store, const struct tls_pem *authority,
                           char error[TLS_CONTEXT_ERROR_BYTES]);
