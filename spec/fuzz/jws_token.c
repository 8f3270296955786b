/*
 * jws_token — fuzzes what looks into tokens: dots, base64url, signatures of each family.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/base64.h"
#include "crypto/jws_algorithm.h"
#include "crypto/jws_key.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static const char EC_PEM[] = "-----BEGIN PUBLIC KEY-----\n"
                             "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2chFpsGalnmLgl3HVUchiHUwXACH\n"
                             "rP+VhDFkZt61+tnkrEOSJ+oq6cpsl9rIDOZYsM0e3abn9szmGmbkBIkbHw==\n"
                             "-----END PUBLIC KEY-----\n";

/* Nobody who guesses signs: whatever verifies was found by a fault of ours. */
static void check_key(struct jws_key *key, struct slice text)
{
    assert(!jws_key_verifies_token(key, text));
    assert(!jws_key_verifies(key, SLICE("a.b"), text));
    jws_key_destroy(&key);
}

static void check_base64(struct slice text)
{
    char *bytes = malloc(BASE64_BYTES_MAX(text.length) + 1);
    char *again = malloc(BASE64_TEXT_MAX(text.length) + 4);
    size_t length;

    if (base64_decode(text, BASE64_URL, bytes, &length)) {
        size_t written = base64_encode(slice_of(bytes, length), BASE64_URL, again);
        assert(slice_equals(slice_of(again, written), text));
    }
    free(bytes);
    free(again);
}

/* Any bytes as a key: taken or refused, with a reason. */
static void check_as_key(struct slice text)
{
    const char *why = NULL;
    const struct jws_algorithm *rsa = jws_algorithm_of(SLICE("RS256"));
    struct jws_key *key = jws_key_of_pem(rsa, text, &why);
    assert(key != NULL || why != NULL);
    jws_key_destroy(&key);
    why = NULL;
    key = jws_key_of_rsa(rsa, text, SLICE("\1\0\1"), &why);
    assert(key != NULL || why != NULL);
    jws_key_destroy(&key);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    /* A block of exactly its size, so that the sanitizer sees reads beyond it. */
    char *copy = malloc(size > 0 ? size : 1);
    const char *why;

    if (size > 0)
        memcpy(copy, data, size);
    struct slice text = slice_of(copy, size);
    check_key(jws_key_of_pem(jws_algorithm_of(SLICE("ES256")), slice_from_string(EC_PEM), &why),
              text);
    check_key(jws_key_of_secret(jws_algorithm_of(SLICE("HS256")),
                                SLICE("a secret of thirty-two bytes, or more"), &why),
              text);
    check_base64(text);
    check_as_key(text);
    free(copy);
    return 0;
}
