/*
 * jws_key — checking keys, preparing them, giving them back.
 */
#include <assert.h>
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/mem.h"
#include "crypto/jws_key_private.h"

#define PEM_BYTES_MAX 65536

static const char *const WHY_NO_PEM = "it is neither a public key nor a certificate in PEM";

struct jws_key *jws_key_of_secret(const struct jws_algorithm *algorithm, struct slice secret,
                                  const char **why)
{
    *why = NULL;
    if (algorithm->family != JWS_HMAC)
        *why = "a secret goes with HS256, HS384 and HS512 alone";
    else if (secret.length < algorithm->digest_bytes)
        *why = "the secret is shorter than the digest of its algorithm: 32 bytes for HS256, 48 for "
               "HS384, 64 for HS512 (RFC 7518, 3.2)";
    else if (secret.length > JWS_KEY_SECRET_BYTES_MAX)
        *why = "the secret is longer than 4096 bytes";
    if (*why != NULL)
        return NULL;

    struct jws_key *key = mem_zeroed(sizeof(*key));
    char *digest = mem_string(algorithm->digest);
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_END};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    key->algorithm = algorithm;
    key->code = EVP_MAC_CTX_new(mac);
    if (EVP_MAC_init(key->code, (const unsigned char *)secret.start, secret.length, parameters) !=
        1) {
        *why = "OpenSSL does not take the secret";
        jws_key_destroy(&key);
    }
    EVP_MAC_free(mac);
    free(digest);
    ERR_clear_error();
    return key;
}

static bool is_group(const EVP_PKEY *key, const char *wanted)
{
    char group[64];
    return EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, wanted) == 0;
}

static const char *rsa_fault(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    if (bits < JWS_KEY_RSA_BITS_MIN)
        return "the RSA key has less than 2048 bits (RFC 7518, 3.3)";
    return bits > JWS_KEY_RSA_BITS_MAX ? "the RSA key has more than 8192 bits" : NULL;
}

/* Why that algorithm does not go with the key; NULL: it does. */
static const char *fault_of(const struct jws_algorithm *algorithm, const EVP_PKEY *key)
{
    switch (algorithm->family) {
    case JWS_HMAC:
        return "a public key is no secret: HS256, HS384 and HS512 do not go with it";
    case JWS_RSA:
        return EVP_PKEY_is_a(key, "RSA") ? rsa_fault(key)
                                         : "the algorithm goes with an RSA key alone";
    case JWS_PSS:
        return EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS")
                   ? rsa_fault(key)
                   : "the algorithm goes with an RSA key alone";
    case JWS_ECDSA:
        return EVP_PKEY_is_a(key, "EC") && is_group(key, algorithm->group)
                   ? NULL
                   : "the algorithm goes with a key on its own curve alone: ES256 with P-256, "
                     "ES384 with P-384, ES512 with P-521";
    case JWS_EDDSA:
        return EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448")
                   ? NULL
                   : "the algorithm goes with an Ed25519 or Ed448 key alone";
    }
    return "the algorithm is not known";
}

static bool prepare(struct jws_key *key)
{
    const struct jws_algorithm *algorithm = key->algorithm;
    EVP_PKEY_CTX *context = NULL;

    key->verification = EVP_MD_CTX_new();
    if (EVP_DigestVerifyInit_ex(key->verification, &context, algorithm->digest, NULL, NULL,
                                key->key, NULL) != 1)
        return false;
    return algorithm->family != JWS_PSS ||
           (EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
            EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1);
}

struct jws_key *jws_key_of_public(const struct jws_algorithm *algorithm, EVP_PKEY *public_key,
                                  const char **why)
{
    struct jws_key *key = mem_zeroed(sizeof(*key));

    key->algorithm = algorithm;
    key->key = public_key;
    *why = fault_of(algorithm, public_key);
    if (*why == NULL && !prepare(key))
        *why = "OpenSSL does not take the key";
    if (*why != NULL)
        jws_key_destroy(&key);
    ERR_clear_error();
    return key;
}

void jws_key_destroy(struct jws_key **key)
{
    if (*key == NULL)
        return;
    EVP_MAC_CTX_free((*key)->code);
    EVP_MD_CTX_free((*key)->verification);
    EVP_PKEY_free((*key)->key);
    free(*key);
    *key = NULL;
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *text, int bytes, int is_writing, void *data)
{
    return -1;
}

/* Of a certificate, or what says that it is a key; NULL when it is neither. */
static EVP_PKEY *read_pem(struct slice pem)
{
    if (pem.length == 0 || pem.length > PEM_BYTES_MAX)
        return NULL;
    BIO *bio = BIO_new_mem_buf(pem.start, (int)pem.length);
    EVP_PKEY *key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    if (key == NULL && BIO_reset(bio) == 1) {
        X509 *certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
        key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
        X509_free(certificate);
    }
    BIO_free(bio);
    ERR_clear_error();
    return key;
}

struct jws_key *jws_key_of_pem(const struct jws_algorithm *algorithm, struct slice pem,
                               const char **why)
{
    EVP_PKEY *key = read_pem(pem);
    if (key != NULL)
        return jws_key_of_public(algorithm, key, why);
    *why = WHY_NO_PEM;
    return NULL;
}

static struct slice algorithm_name(const EVP_PKEY *key)
{
    if (EVP_PKEY_is_a(key, "RSA"))
        return SLICE("RS256");
    if (EVP_PKEY_is_a(key, "RSA-PSS"))
        return SLICE("PS256");
    if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
        return SLICE("EdDSA");
    if (is_group(key, "prime256v1"))
        return SLICE("ES256");
    return is_group(key, "secp384r1") ? SLICE("ES384") : SLICE("ES512");
}

const struct jws_algorithm *jws_key_pem_algorithm(struct slice pem, const char **why)
{
    EVP_PKEY *key = read_pem(pem);
    if (key == NULL) {
        *why = WHY_NO_PEM;
        return NULL;
    }
    const struct jws_algorithm *algorithm = jws_algorithm_of(algorithm_name(key));
    *why = fault_of(algorithm, key);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return *why == NULL ? algorithm : NULL;
}
