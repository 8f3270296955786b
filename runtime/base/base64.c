/*
 * base64 — groups of three bytes as four digits.
 */
#include "base/base64.h"

#define GROUP_BYTES 3
#define DIGITS_MAX  4

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL_DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

size_t base64_encode(struct slice bytes, enum base64_alphabet alphabet, char *text)
{
    const char *digits = alphabet == BASE64_URL ? URL_DIGITS : DIGITS;
    size_t written = 0;

    for (size_t i = 0; i < bytes.length; i += GROUP_BYTES) {
        size_t left = bytes.length - i < GROUP_BYTES ? bytes.length - i : GROUP_BYTES;
        uint32_t group = 0;
        for (size_t j = 0; j < GROUP_BYTES; j++)
            group = group << 8 | (j < left ? (unsigned char)bytes.start[i + j] : 0);
        for (size_t j = 0; j <= left; j++)
            text[written++] = digits[group >> (18 - 6 * j) & 63];
        for (size_t j = left; j < GROUP_BYTES && alphabet == BASE64_PLAIN; j++)
            text[written++] = '=';
    }
    return written;
}

/* -1 for what is no digit. */
static int value_of(char c, enum base64_alphabet alphabet)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (alphabet == BASE64_URL ? '-' : '+'))
        return 62;
    return c == (alphabet == BASE64_URL ? '_' : '/') ? 63 : -1;
}

/* Two to four digits, whose bits beyond the last whole byte are 0. Returns the bytes, 0 when
 * malformed. */
static size_t decode_group(struct slice digits, enum base64_alphabet alphabet, char *bytes)
{
    uint32_t group = 0;
    size_t count = digits.length - 1;

    if (digits.length < 2)
        return 0;
    for (size_t i = 0; i < DIGITS_MAX; i++) {
        int value = i < digits.length ? value_of(digits.start[i], alphabet) : 0;
        if (value < 0)
            return 0;
        group = group << 6 | (uint32_t)value;
    }
    if ((group & ((1U << (24 - 8 * count)) - 1)) != 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        bytes[i] = (char)(group >> (16 - 8 * i));
    return count;
}

bool base64_decode(struct slice text, enum base64_alphabet alphabet, char *bytes, size_t *length)
{
    size_t written = 0;

    if (alphabet == BASE64_PLAIN && text.length % DIGITS_MAX != 0)
        return false;
    for (int i = 0; i < 2 && alphabet == BASE64_PLAIN && text.length > 0; i++)
        text.length -= text.start[text.length - 1] == '=';
    for (size_t i = 0; i < text.length; i += DIGITS_MAX) {
        size_t left = text.length - i < DIGITS_MAX ? text.length - i : DIGITS_MAX;
        size_t count = decode_group(slice_of(text.start + i, left), alphabet, bytes + written);
        if (count == 0)
            return false;
        written += count;
    }
    *length = written;
    return true;
}
