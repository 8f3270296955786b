/*
 * tls_sessions — TLS sessions that connections to upstreams left, for the next one to resume.
 *
 * Bounded: the least recently used goes first. Belongs to one context, so that what was
 * verified under one set of rules is never resumed under another.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/list.h"

#define TLS_SESSIONS_MAX 256

struct tls_sessions {
    struct list kept; /* struct tls_session, most recently used first */
    size_t count;
};

void tls_sessions_init(struct tls_sessions *sessions);
void tls_sessions_clear(struct tls_sessions *sessions);
/* Takes over the reference to `session`; replaces what was kept under `key`, which is copied. */
void tls_sessions_put(struct tls_sessions *sessions, const char *key, SSL_SESSION *session);
/* Borrowed until the next call; NULL when there is none. */
SSL_SESSION *tls_sessions_find(struct tls_sessions *sessions, const char *key);
void tls_sessions_remove(struct tls_sessions *sessions, const char *key);
