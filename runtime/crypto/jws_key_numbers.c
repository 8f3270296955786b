/*
 * jws_key_numbers — public keys from the numbers that a JSON Web Key says them in.
 */
#include <assert.h>
#include <limits.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include "crypto/jws_key_private.h"

#define EXPONENT_BYTES_MAX 8
#define POINT_BYTES_MAX    (1 + 2 * 66)
#define UNCOMPRESSED       0x04

/* Of a kind of key; NULL when OpenSSL does not take the numbers. Frees `builder`. */
static EVP_PKEY *key_of(const char *kind, OSSL_PARAM_BLD *builder)
{
    OSSL_PARAM *parameters = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
    EVP_PKEY *key = NULL;

    if (parameters == NULL || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(parameters);
    OSSL_PARAM_BLD_free(builder);
    ERR_clear_error();
    return key;
}

static struct jws_key *finish(const struct jws_algorithm *algorithm, EVP_PKEY *key,
                              const char **why, const char *fault)
{
    if (key != NULL)
        return jws_key_of_public(algorithm, key, why);
    *why = fault;
    return NULL;
}

static BIGNUM *number_of(struct slice bytes)
{
    assert(bytes.length <= INT_MAX);
    return BN_bin2bn((const unsigned char *)bytes.start, (int)bytes.length, NULL);
}

struct jws_key *jws_key_of_rsa(const struct jws_algorithm *algorithm, struct slice modulus,
                               struct slice exponent, const char **why)
{
    if (modulus.length > JWS_KEY_RSA_BITS_MAX / 8 || exponent.length > EXPONENT_BYTES_MAX) {
        *why = "the RSA key has more than 8192 bits, or its exponent more than 64";
        return NULL;
    }
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    BIGNUM *n = number_of(modulus), *e = number_of(exponent);
    EVP_PKEY *key = NULL;
    if (BN_is_odd(n) && BN_is_odd(e) && !BN_is_one(e)) {
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n);
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e);
        key = key_of("RSA", builder);
    } else {
        OSSL_PARAM_BLD_free(builder);
    }
    BN_free(n);
    BN_free(e);
    return finish(algorithm, key, why, "its n and e are not those of an RSA key");
}

/* Whether it is on its curve, and not the point at infinity. */
static bool is_right(EVP_PKEY *key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
    bool passes = EVP_PKEY_public_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return passes;
}

struct jws_key *jws_key_of_point(const struct jws_algorithm *algorithm, struct slice x,
                                 struct slice y, const char **why)
{
    unsigned char point[POINT_BYTES_MAX] = {UNCOMPRESSED};
    size_t bytes = algorithm->integer_bytes;

    if (algorithm->family != JWS_ECDSA || x.length != bytes || y.length != bytes) {
        *why = "its x and y are not coordinates on the curve of its algorithm: ES256 goes with "
               "P-256, ES384 with P-384, ES512 with P-521";
        return NULL;
    }
    assert(1 + 2 * bytes <= sizeof(point));
    memcpy(point + 1, x.start, bytes);
    memcpy(point + 1 + bytes, y.start, bytes);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, algorithm->group, 0);
    OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * bytes);
    EVP_PKEY *key = key_of("EC", builder);
    if (key != NULL && !is_right(key)) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    return finish(algorithm, key, why, "its x and y are not a point on its curve");
}

struct jws_key *jws_key_of_edwards(const struct jws_algorithm *algorithm, struct slice curve,
                                   struct slice x, const char **why)
{
    bool is_short = slice_equals(curve, SLICE("Ed25519"));
    EVP_PKEY *key = NULL;

    if (is_short || slice_equals(curve, SLICE("Ed448")))
        key = EVP_PKEY_new_raw_public_key_ex(NULL, is_short ? "ED25519" : "ED448", NULL,
                                             (const unsigned char *)x.start, x.length);
    ERR_clear_error();
    return finish(algorithm, key, why, "its x is not a key on Ed25519 or Ed448");
}
