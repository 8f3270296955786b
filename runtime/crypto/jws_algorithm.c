/*
 * jws_algorithm — the table of them.
 */
#include "crypto/jws_algorithm.h"

#include "base/mem.h"

/* clang-format off */
static const struct jws_algorithm ALGORITHMS[] = {
    {{"HS256", 5}, JWS_HMAC,  "SHA256", 32, NULL,         0},
    {{"HS384", 5}, JWS_HMAC,  "SHA384", 48, NULL,         0},
    {{"HS512", 5}, JWS_HMAC,  "SHA512", 64, NULL,         0},
    {{"RS256", 5}, JWS_RSA,   "SHA256", 32, NULL,         0},
    {{"RS384", 5}, JWS_RSA,   "SHA384", 48, NULL,         0},
    {{"RS512", 5}, JWS_RSA,   "SHA512", 64, NULL,         0},
    {{"PS256", 5}, JWS_PSS,   "SHA256", 32, NULL,         0},
    {{"PS384", 5}, JWS_PSS,   "SHA384", 48, NULL,         0},
    {{"PS512", 5}, JWS_PSS,   "SHA512", 64, NULL,         0},
    {{"ES256", 5}, JWS_ECDSA, "SHA256", 32, "prime256v1", 32},
    {{"ES384", 5}, JWS_ECDSA, "SHA384", 48, "secp384r1",  48},
    {{"ES512", 5}, JWS_ECDSA, "SHA512", 64, "secp521r1",  66},
    {{"EdDSA", 5}, JWS_EDDSA, NULL,     0,  NULL,         0},
};
/* clang-format on */

const struct jws_algorithm *jws_algorithm_of(struct slice name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(ALGORITHMS); i++) {
        if (slice_equals(ALGORITHMS[i].name, name))
            return &ALGORITHMS[i];
    }
    return NULL;
}
