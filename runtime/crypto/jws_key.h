/*
 * jws_key — a key that verifies signatures of one algorithm, prepared once.
 *
 * The algorithm belongs to the key, never to what a token says of itself (RFC 8725, 3.1): so a
 * public key cannot be taken for the secret of an HMAC, and there is no key for `none`. What is too
 * weak is refused when the key is made: RSA below 2048 bits (RFC 7518, 3.3), secrets shorter than
 * the digest (3.2), points that are not on the algorithm's curve.
 *
 * A key belongs to one thread at a time. Secrets are wiped when it is destroyed.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

#define JWS_KEY_RSA_BITS_MIN     2048
#define JWS_KEY_RSA_BITS_MAX     8192
#define JWS_KEY_SECRET_BYTES_MAX 4096
/* The longest signature: that of the largest RSA key. */
#define JWS_SIGNATURE_BYTES_MAX (JWS_KEY_RSA_BITS_MAX / 8)

struct jws_algorithm;
struct jws_key;

/*
 * All of these return NULL with a static sentence in `*why` for what is no key, or none that goes
 * with the algorithm. What is given is copied.
 */

struct jws_key *jws_key_of_secret(const struct jws_algorithm *algorithm, struct slice secret,
                                  const char **why);
/* One public key (SubjectPublicKeyInfo) or certificate; of the latter the key alone counts. */
struct jws_key *jws_key_of_pem(const struct jws_algorithm *algorithm, struct slice pem,
                               const char **why);
/* Modulus and exponent, big-endian (RFC 7518, 6.3.1). */
struct jws_key *jws_key_of_rsa(const struct jws_algorithm *algorithm, struct slice modulus,
                               struct slice exponent, const char **why);
/* Coordinates of full length (RFC 7518, 6.2.1); the curve follows from the algorithm. */
struct jws_key *jws_key_of_point(const struct jws_algorithm *algorithm, struct slice x,
                                 struct slice y, const char **why);
/* "Ed25519" or "Ed448" (RFC 8037, 2). */
struct jws_key *jws_key_of_edwards(const struct jws_algorithm *algorithm, struct slice curve,
                                   struct slice x, const char **why);

void jws_key_destroy(struct jws_key **key);

/* What a public key in PEM is for where nobody has said so: RS256 for RSA, else the algorithm of
 * its curve. NULL with a sentence in `*why`. */
const struct jws_algorithm *jws_key_pem_algorithm(struct slice pem, const char **why);

/*
 * Whether `signature` (its bytes, as RFC 7518 and RFC 8037 have them) is that of `signed_bytes`.
 * Codes are compared in a time that depends on lengths alone.
 */
bool jws_key_verifies(const struct jws_key *key, struct slice signed_bytes, struct slice signature);

/*
 * The same for a JWS in its compact form (RFC 7515, 7.1), HEADER.PAYLOAD.SIGNATURE, of which only
 * the signature is looked into. False for what has no two dots, or a signature that is not
 * base64url.
 */
bool jws_key_verifies_token(const struct jws_key *key, struct slice token);
