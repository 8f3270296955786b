/*
 * sha256 — OpenSSL's functions of that name, below its interface for all digests.
 *
 * They are deprecated as being of no provider. The interface above them takes 3,000 instructions
 * and an allocation for a text of twenty bytes, however it is prepared; these take 500 and none.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "crypto/sha256.h"

#include <openssl/sha.h>

_Static_assert(SHA256_BYTES == SHA256_DIGEST_LENGTH, "the same digest");

void sha256_of(struct slice bytes, char *digest)
{
    SHA256_CTX context;

    SHA256_Init(&context);
    SHA256_Update(&context, bytes.start, bytes.length);
    SHA256_Final((unsigned char *)digest, &context);
}
