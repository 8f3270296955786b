/*
 * tls_tickets — deriving ticket keys, and sealing with them.
 */
#include "net/tls_tickets.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

/*
 * The one static here that is not const: workers must have it from before their fork, when
 * there is nothing yet that it could hang off.
 */
static struct {
    bool is_set;
    unsigned char bytes[TLS_TICKETS_SECRET_BYTES];
} secret;

void tls_tickets_set_secret(const unsigned char bytes[TLS_TICKETS_SECRET_BYTES])
{
    memcpy(secret.bytes, bytes, sizeof(secret.bytes));
    secret.is_set = true;
}

bool tls_tickets_have_secret(void)
{
    return secret.is_set;
}

/* HKDF-SHA256 of the secret, with the epoch as its `info`. */
static bool derive(struct tls_ticket_key *key, uint64_t epoch)
{
    unsigned char out[sizeof(key->name) + sizeof(key->cipher) + sizeof(key->mac)];
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, secret.bytes, sizeof(secret.bytes)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, &epoch, sizeof(epoch)),
        OSSL_PARAM_construct_end(),
    };
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
    bool is_derived = context != NULL && EVP_KDF_derive(context, out, sizeof(out), params) == 1;

    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    if (is_derived) {
        key->epoch = epoch;
        memcpy(key->name, out, sizeof(key->name));
        memcpy(key->cipher, out + sizeof(key->name), sizeof(key->cipher));
        memcpy(key->mac, out + sizeof(key->name) + sizeof(key->cipher), sizeof(key->mac));
    }
    OPENSSL_cleanse(out, sizeof(out));
    return is_derived;
}

static bool refresh(struct tls_tickets *tickets, uint64_t now)
{
    uint64_t epoch = now / TLS_TICKET_EPOCH_SECONDS;

    assert(secret.is_set && epoch > 0);
    return tickets->current.epoch == epoch ||
           (derive(&tickets->current, epoch) && derive(&tickets->previous, epoch - 1));
}

static bool start_mac(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

int tls_tickets_seal(struct tls_tickets *tickets, uint64_t now, const struct tls_ticket *ticket)
{
    struct tls_ticket_key *key = &tickets->current;
    const EVP_CIPHER *algorithm = EVP_aes_256_cbc();

    if (!refresh(tickets, now) || RAND_bytes(ticket->iv, EVP_CIPHER_get_iv_length(algorithm)) != 1)
        return -1;
    memcpy(ticket->name, key->name, sizeof(key->name));
    bool is_ready =
        EVP_EncryptInit_ex(ticket->cipher, algorithm, NULL, key->cipher, ticket->iv) == 1 &&
        start_mac(ticket->mac, key);
    return is_ready ? 1 : -1;
}

int tls_tickets_open(struct tls_tickets *tickets, uint64_t now, const struct tls_ticket *ticket)
{
    struct tls_ticket_key *key;

    if (!refresh(tickets, now))
        return -1;
    if (memcmp(ticket->name, tickets->current.name, sizeof(tickets->current.name)) == 0)
        key = &tickets->current;
    else if (memcmp(ticket->name, tickets->previous.name, sizeof(tickets->previous.name)) == 0)
        key = &tickets->previous;
    else
        return 0;

    bool is_ready =
        start_mac(ticket->mac, key) &&
        EVP_DecryptInit_ex(ticket->cipher, EVP_aes_256_cbc(), NULL, key->cipher, ticket->iv) == 1;
    if (!is_ready)
        return -1;
    return key == &tickets->current ? 1 : 2;
}
