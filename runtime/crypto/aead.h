/*
 * aead — bytes that only holders of a key read, and nobody changes unseen: AES-256-GCM.
 *
 * One nonce of 12 bytes drawn at random would be safe for some 2^32 messages of a key (NIST SP
 * 800-38D, 8.3), which a busy gateway seals in weeks. So nonces have 24 bytes: of the first 12 and
 * the key a key for the one message is derived (HMAC-SHA-256), the others are GCM's.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define AEAD_KEY_BYTES   32
#define AEAD_NONCE_BYTES 24
#define AEAD_TAG_BYTES   16

/* What both sides have to have the same: AEAD_KEY_BYTES, AEAD_NONCE_BYTES, and what the message is
 * bound to without being in it. */
struct aead {
    struct slice key, nonce, bound;
};

/* text.length + AEAD_TAG_BYTES into `sealed`; at most 1 GiB. False only where OpenSSL refuses. */
bool aead_seal(const struct aead *aead, struct slice text, char *sealed);
/* sealed.length - AEAD_TAG_BYTES into `text`; false, and nothing to be used, unless all is as it
 * was sealed. */
bool aead_open(const struct aead *aead, struct slice sealed, char *text);
