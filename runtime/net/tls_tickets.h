/*
 * tls_tickets — the keys that session tickets are sealed with, the same in every worker.
 *
 * Derived from one secret (HKDF, RFC 5869), a new set each TLS_TICKET_EPOCH_SECONDS; the
 * set before is still opened, so that a ticket lives at least one epoch. Nothing is
 * shared between workers but the secret.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#define TLS_TICKET_EPOCH_SECONDS 43200

struct tls_ticket_key {
    uint64_t epoch; /* 0: not derived yet */
    unsigned char name[16], cipher[32], mac[32];
};

struct tls_tickets {
    struct tls_ticket_key current, previous;
};

#define TLS_TICKETS_SECRET_BYTES 80

/* Once per process, before there is a second thread or process. */
void tls_tickets_set_secret(const unsigned char secret[TLS_TICKETS_SECRET_BYTES]);
bool tls_tickets_have_secret(void);

/* What SSL_CTX_set_tlsext_ticket_key_evp_cb() hands over for one ticket. */
struct tls_ticket {
    unsigned char *name; /* 16 bytes */
    unsigned char *iv;   /* EVP_MAX_IV_LENGTH bytes */
    EVP_CIPHER_CTX *cipher;
    EVP_MAC_CTX *mac;
};

/* Fills in all of a new ticket; `now` in seconds since 1970. 1, or -1 on failure. */
int tls_tickets_seal(struct tls_tickets *tickets, uint64_t now, const struct tls_ticket *ticket);
/* 0: not ours, or too old; 1: good; 2: good, but the client gets a new one. -1: failed. */
int tls_tickets_open(struct tls_tickets *tickets, uint64_t now, const struct tls_ticket *ticket);
