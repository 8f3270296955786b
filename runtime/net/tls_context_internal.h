/*
 * tls_context_internal — what the server's and the client's side of a context share.
 *
 * Nobody else includes this.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/tls_context.h"
#include "net/tls_names.h"
#include "net/tls_sessions.h"
#include "net/tls_tickets.h"

/* SHA-256. */
#define TLS_CONTEXT_DIGEST_BYTES 32

struct tls_context {
    atomic_size_t references;
    bool is_registered; /* in tls_registry, under its digest */
    unsigned char digest[TLS_CONTEXT_DIGEST_BYTES];
    struct tls_context *next_registered;
    SSL_CTX **ssl_contexts; /* one per certificate; the first is the default */
    size_t count;
    unsigned char *alpn; /* server side */
    size_t alpn_length;
    struct tls_names names;       /* server side */
    struct tls_tickets tickets;   /* server side */
    struct tls_sessions sessions; /* client side */
};

/* Of a context without references. */
void tls_registry_remove(struct tls_context *context);

/* With one reference and `count` SSL_CTXs, to which the rules of both sides apply. */
struct tls_context *tls_context_create(const SSL_METHOD *method, size_t count);
