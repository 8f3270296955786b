/*
 * export_crypto — digests, encodings and random bytes for Lua.
 *
 * Where text is decoded there is one right encoding of any bytes: everything else is refused, so
 * that no two spellings mean the same.
 */
#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "base/utf8.h"
#include "bridge/exports.h"

#define GROUP_BYTES 3 /* that base64 writes as four digits */
#define DIGITS_MAX  4

static const char HEX[] = "0123456789abcdef";
static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL_ALPHABET[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

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
    const char *alphabet = is_url ? URL_ALPHABET : ALPHABET;
    size_t written = 0;

    for (size_t i = 0; i < length; i += GROUP_BYTES) {
        size_t left = length - i < GROUP_BYTES ? length - i : GROUP_BYTES;
        uint32_t group = 0;
        for (size_t j = 0; j < GROUP_BYTES; j++)
            group = group << 8 | (j < left ? (unsigned char)bytes[i + j] : 0);
        for (size_t j = 0; j <= left; j++)
            text[written++] = alphabet[group >> (18 - 6 * j) & 63];
        for (size_t j = left; j < GROUP_BYTES && !is_url; j++)
            text[written++] = '=';
    }
    return written;
}

/* -1 for what is no digit. */
static int base64_digit(char c, bool is_url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (is_url ? '-' : '+'))
        return 62;
    return c == (is_url ? '_' : '/') ? 63 : -1;
}

/* Two to four digits, whose bits beyond the last whole byte are 0. Returns the bytes, 0 when
 * malformed. */
static size_t decode_group(struct slice digits, bool is_url, char *bytes)
{
    uint32_t group = 0;
    size_t count = digits.length - 1;

    if (digits.length < 2)
        return 0;
    for (size_t i = 0; i < DIGITS_MAX; i++) {
        int digit = i < digits.length ? base64_digit(digits.start[i], is_url) : 0;
        if (digit < 0)
            return 0;
        group = group << 6 | (uint32_t)digit;
    }
    if ((group & ((1U << (24 - 8 * count)) - 1)) != 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(group >> (16 - 8 * i));
    return count;
}

double moon_base64_decode(const char *text, size_t length, bool is_url, char *bytes)
{
    size_t written = 0;

    if (!is_url && length % DIGITS_MAX != 0)
        return -1;
    for (int i = 0; i < 2 && !is_url && length > 0 && text[length - 1] == '='; i++)
        length--;
    for (size_t i = 0; i < length; i += DIGITS_MAX) {
        size_t left = length - i < DIGITS_MAX ? length - i : DIGITS_MAX;
        size_t count = decode_group(slice_of(text + i, left), is_url, bytes + written);
        if (count == 0)
            return -1;
        written += count;
    }
    return (double)written;
}
