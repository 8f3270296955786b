/*
 * base64 — bytes as text in one of two alphabets, and back.
 *
 * There is one right encoding of any bytes: everything else is refused, so that no two spellings
 * mean the same. Blanks, the other alphabet, missing or needless padding and stray bits do not
 * decode.
 */
#pragma once

#include "base/slice.h"

enum base64_alphabet {
    BASE64_PLAIN, /* RFC 4648, 4: with padding */
    BASE64_URL    /* section 5, without padding: what JOSE calls base64url (RFC 7515, 2) */
};

/* What `bytes` take at most as text, and the other way round. */
#define BASE64_TEXT_MAX(bytes) (((size_t)(bytes) + 2) / 3 * 4)
#define BASE64_BYTES_MAX(text) (((size_t)(text) + 3) / 4 * 3)

/* Returns how many characters were written to `text`, which has room for BASE64_TEXT_MAX(). */
size_t base64_encode(struct slice bytes, enum base64_alphabet alphabet, char *text);

/* False for what base64_encode() would not write. `bytes` has room for BASE64_BYTES_MAX(). */
bool base64_decode(struct slice text, enum base64_alphabet alphabet, char *bytes, size_t *length);
