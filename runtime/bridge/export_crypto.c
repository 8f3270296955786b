/*
 * export_crypto — digests, encodings and random bytes for Lua.
 */
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "bridge/exports.h"

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
