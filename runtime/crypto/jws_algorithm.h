/*
 * jws_algorithm — the signature algorithms of JOSE, one line each (RFC 7518, 3.1; RFC 8037).
 *
 * `none` is not among them.
 */
#pragma once

#include "base/slice.h"

/* What sort of key it takes, and how that signs. */
enum jws_family {
    JWS_HMAC,
    JWS_RSA, /* RSASSA-PKCS1-v1_5 */
    JWS_PSS, /* RSASSA-PSS, the salt as long as the digest, MGF1 with the same digest */
    JWS_ECDSA,
    JWS_EDDSA
};

struct jws_algorithm {
    struct slice name; /* as in "alg" */
    enum jws_family family;
    const char *digest;   /* as OpenSSL calls it; NULL: the algorithm brings its own */
    size_t digest_bytes;  /* of it, 0 without one */
    const char *group;    /* of ECDSA: the one curve that goes with the algorithm (RFC 7518, 3.4) */
    size_t integer_bytes; /* of ECDSA: of each half of a signature, and of each coordinate */
};

/* Names are compared with their case; NULL for one that is not known. Static. */
const struct jws_algorithm *jws_algorithm_of(struct slice name);
