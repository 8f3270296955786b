/*
 * jws_key_verify — comparing codes, and asking OpenSSL about signatures.
 */
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>

#include "base/base64.h"
#include "crypto/jws_key_private.h"

/* A SEQUENCE of two INTEGERs of 66 bytes, with their heads. */
#define ECDSA_DER_BYTES_MAX 160

static bool code_is_right(const struct jws_key *key, struct slice signed_bytes,
                          struct slice signature)
{
    unsigned char code[EVP_MAX_MD_SIZE];
    size_t length = 0;
    EVP_MAC_CTX *context = EVP_MAC_CTX_dup(key->code);
    bool is_made = context != NULL &&
                   EVP_MAC_update(context, (const unsigned char *)signed_bytes.start,
                                  signed_bytes.length) == 1 &&
                   EVP_MAC_final(context, code, &length, sizeof(code)) == 1;

    EVP_MAC_CTX_free(context);
    /* All of the code: one that was cut off is none. */
    bool is_right = is_made && length == key->algorithm->digest_bytes &&
                    signature.length == length && CRYPTO_memcmp(code, signature.start, length) == 0;
    OPENSSL_cleanse(code, sizeof(code));
    return is_right;
}

/*
 * The two integers of a fixed length (RFC 7518, 3.4) as OpenSSL has them. False for any other
 * length, and for zero: with that some libraries take a signature of anything for right.
 */
static bool ecdsa_to_der(const struct jws_algorithm *algorithm, struct slice signature,
                         unsigned char *der, size_t *der_length)
{
    size_t half = algorithm->integer_bytes;
    bool is_written = false;

    if (signature.length != 2 * half)
        return false;
    const unsigned char *bytes = (const unsigned char *)signature.start;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes, (int)half, NULL), *s = BN_bin2bn(bytes + half, (int)half, NULL);
    if (r != NULL && s != NULL && !BN_is_zero(r) && !BN_is_zero(s) &&
        ECDSA_SIG_set0(pair, r, s) == 1) {
        int length = i2d_ECDSA_SIG(pair, NULL);
        is_written = length > 0 && length <= ECDSA_DER_BYTES_MAX;
        *der_length = is_written ? (size_t)i2d_ECDSA_SIG(pair, &der) : 0;
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(pair);
    return is_written;
}

static bool public_key_verifies(const struct jws_key *key, struct slice signed_bytes,
                                struct slice signature)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_right =
        context != NULL && EVP_MD_CTX_copy_ex(context, key->verification) == 1 &&
        EVP_DigestVerify(context, (const unsigned char *)signature.start, signature.length,
                         (const unsigned char *)signed_bytes.start, signed_bytes.length) == 1;

    EVP_MD_CTX_free(context);
    if (!is_right)
        ERR_clear_error();
    return is_right;
}

bool jws_key_verifies(const struct jws_key *key, struct slice signed_bytes, struct slice signature)
{
    unsigned char der[ECDSA_DER_BYTES_MAX];
    size_t length;

    if (key->algorithm->family == JWS_HMAC)
        return code_is_right(key, signed_bytes, signature);
    if (key->algorithm->family != JWS_ECDSA)
        return public_key_verifies(key, signed_bytes, signature);
    return ecdsa_to_der(key->algorithm, signature, der, &length) &&
           public_key_verifies(key, signed_bytes, slice_of((const char *)der, length));
}

bool jws_key_verifies_token(const struct jws_key *key, struct slice token)
{
    char signature[BASE64_BYTES_MAX(BASE64_TEXT_MAX(JWS_SIGNATURE_BYTES_MAX))];
    size_t first = slice_find(token, '.'), length;
    if (first == token.length)
        return false;
    struct slice rest = slice_after(token, first + 1);
    size_t second = slice_find(rest, '.');
    if (second == rest.length)
        return false;
    struct slice text = slice_after(rest, second + 1);
    return text.length <= BASE64_TEXT_MAX(JWS_SIGNATURE_BYTES_MAX) &&
           base64_decode(text, BASE64_URL, signature, &length) &&
           jws_key_verifies(key, slice_of(token.start, first + 1 + second),
                            slice_of(signature, length));
}
