/*
 * jws_key_private — what a key consists of, for the files that make and use it.
 */
#pragma once

#include <openssl/evp.h>

#include "crypto/jws_algorithm.h"
#include "crypto/jws_key.h"

/* Of HMACs `code`, of all others `key` and `verification`: contexts that are copied for each use,
 * since to prepare one takes OpenSSL as long as to hash some kilobytes. */
struct jws_key {
    const struct jws_algorithm *algorithm;
    EVP_MAC_CTX *code;
    EVP_PKEY *key;
    EVP_MD_CTX *verification;
};

/* A key around a public key, which it takes over; NULL when they do not go together. */
struct jws_key *jws_key_of_public(const struct jws_algorithm *algorithm, EVP_PKEY *public_key,
                                  const char **why);
