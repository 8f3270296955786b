/*
 * aead — OpenSSL's AES-256-GCM under a key for each message.
 */
#include "crypto/aead.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#define GCM_NONCE_BYTES ((size_t)12)
#define TEXT_BYTES_MAX  ((size_t)1 << 30)

static const unsigned char *bytes_of(struct slice slice)
{
    return (const unsigned char *)slice.start;
}

/* A context with key, nonce and what is bound; NULL where OpenSSL refuses. */
static EVP_CIPHER_CTX *begin(const struct aead *aead, int is_sealing)
{
    unsigned char key[AEAD_KEY_BYTES];
    int length = 0;

    assert(aead->key.length == AEAD_KEY_BYTES && aead->nonce.length == AEAD_NONCE_BYTES);
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    bool is_ready = cipher != NULL &&
                    HMAC(EVP_sha256(), aead->key.start, AEAD_KEY_BYTES, bytes_of(aead->nonce),
                         GCM_NONCE_BYTES, key, NULL) != NULL &&
                    EVP_CipherInit_ex(cipher, EVP_aes_256_gcm(), NULL, key,
                                      bytes_of(aead->nonce) + GCM_NONCE_BYTES, is_sealing) == 1 &&
                    aead->bound.length <= TEXT_BYTES_MAX &&
                    EVP_CipherUpdate(cipher, NULL, &length, bytes_of(aead->bound),
                                     (int)aead->bound.length) == 1;
    OPENSSL_cleanse(key, sizeof(key));
    if (!is_ready) {
        EVP_CIPHER_CTX_free(cipher);
        return NULL;
    }
    return cipher;
}

/* Both ways; a context after its last byte. */
static bool run(EVP_CIPHER_CTX *cipher, struct slice in, char *out)
{
    int length = 0;

    return EVP_CipherUpdate(cipher, (unsigned char *)out, &length, bytes_of(in), (int)in.length) ==
           1;
}

static bool finish(EVP_CIPHER_CTX *cipher)
{
    unsigned char none[EVP_MAX_BLOCK_LENGTH];
    int length = 0;

    return EVP_CipherFinal_ex(cipher, none, &length) == 1;
}

bool aead_seal(const struct aead *aead, struct slice text, char *sealed)
{
    EVP_CIPHER_CTX *cipher = text.length <= TEXT_BYTES_MAX ? begin(aead, 1) : NULL;

    if (cipher == NULL)
        return false;
    bool is_sealed = run(cipher, text, sealed) && finish(cipher) &&
                     EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_BYTES,
                                         sealed + text.length) == 1;
    EVP_CIPHER_CTX_free(cipher);
    return is_sealed;
}

bool aead_open(const struct aead *aead, struct slice sealed, char *text)
{
    unsigned char tag[AEAD_TAG_BYTES];

    if (sealed.length < AEAD_TAG_BYTES || sealed.length > TEXT_BYTES_MAX)
        return false;
    EVP_CIPHER_CTX *cipher = begin(aead, 0);
    if (cipher == NULL)
        return false;
    sealed.length -= AEAD_TAG_BYTES;
    memcpy(tag, sealed.start + sealed.length, AEAD_TAG_BYTES);
    bool is_right = EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_BYTES, tag) == 1 &&
                    run(cipher, sealed, text) && finish(cipher);
    if (!is_right)
        OPENSSL_cleanse(text, sealed.length);
    EVP_CIPHER_CTX_free(cipher);
    return is_right;
}
