/*
 * export_crypto — digests, encodings and random bytes for Lua.
 */
#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "bridge/exports.h"
#include "crypto/aead.h"

static const char HEX[] = "0123456789abcdef";

bool moon_sha256(const char *bytes, size_t length, char *digest)
{
    return EVP_Digest(bytes, length, (unsigned char *)digest, NULL, EVP_sha256(), NULL) == 1;
}

bool moon_hmac_sha256(const char *key, size_t key_length, const char *bytes, size_t length,
                      char *digest)
{
    return key_length <= INT_MAX &&
           HMAC(EVP_sha256(), key, (int)key_length, (const unsigned char *)bytes, length,
                (unsigned char *)digest, NULL) != NULL;
}

bool moon_hkdf_sha256(const struct slice *parts, char *key, size_t length)
{
    EVP_KDF *function = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    EVP_KDF_CTX *context = function != NULL ? EVP_KDF_CTX_new(function) : NULL;
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (char *)parts[0].start,
                                          parts[0].length),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (char *)parts[1].start,
                                          parts[1].length),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (char *)parts[2].start,
                                          parts[2].length),
        OSSL_PARAM_construct_end(),
    };
    bool is_derived =
        context != NULL && EVP_KDF_derive(context, (unsigned char *)key, length, parameters) == 1;

    EVP_KDF_CTX_free(context);
    EVP_KDF_free(function);
    return is_derived;
}

static struct aead aead_of(const struct slice *parts)
{
    return (struct aead){.key = parts[0], .nonce = parts[1], .bound = parts[2]};
}

bool moon_seal(const struct slice *parts, char *sealed)
{
    struct aead aead = aead_of(parts);
    return aead_seal(&aead, parts[3], sealed);
}

bool moon_open(const struct slice *parts, char *text)
{
    struct aead aead = aead_of(parts);
    return aead_open(&aead, parts[3], text);
}

bool moon_random(char *bytes, size_t length)
{
    return length <= INT_MAX && RAND_bytes((unsigned char *)bytes, (int)length) == 1;
}

bool moon_equals(const char *one, const char *other, size_t length)
{
    return CRYPTO_memcmp(one, other, length) == 0;
}

bool moon_is_utf8(const char *text, size_t length)
{
    return utf8_is_valid(exports_slice(text, length));
}

void moon_hex_encode(const char *bytes, size_t length, char *text)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        text[2 * i] = HEX[byte >> 4];
        text[2 * i + 1] = HEX[byte & 15];
    }
}

/* -1 for what is no digit. */
static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    char lower = slice_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool moon_hex_decode(const char *text, size_t length, char *bytes)
{
    if (length % 2 != 0)
        return false;
    for (size_t i = 0; i < length; i += 2) {
        int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i / 2] = (char)(high << 4 | low);
    }
    return true;
}

size_t moon_base64_encode(const char *bytes, size_t length, bool is_url, char *text)
{
    return base64_encode(exports_slice(bytes, length), is_url ? BASE64_URL : BASE64_PLAIN, text);
}

double moon_base64_decode(const char *text, size_t length, bool is_url, char *bytes)
{
    size_t written;
    bool is_right = base64_decode(exports_slice(text, length), is_url ? BASE64_URL : BASE64_PLAIN,
                                  bytes, &written);
    return is_right ? (double)written : -1;
}
