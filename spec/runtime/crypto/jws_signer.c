/*
 * jws_signer — private keys that specs sign with, by OpenSSL: the other half of what is under test.
 */
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "base/mem.h"
#include "crypto/jws_algorithm.h"

struct jws_signer {
    EVP_PKEY *key;
};

/* What spec/support/jws.lua calls. What writes returns how many bytes it wrote, 0 when it could
 * not. */
struct jws_signer *jws_signer_create(const char *kind, size_t bits);
void jws_signer_destroy(struct jws_signer **signer);
size_t jws_signer_public_pem(const struct jws_signer *signer, char *text, size_t room);
size_t jws_signer_private_pem(const struct jws_signer *signer, char *text, size_t room);
size_t jws_signer_number(const struct jws_signer *signer, const char *name, char *bytes,
                         size_t width);
size_t jws_signer_raw(const struct jws_signer *signer, char *bytes, size_t room);
size_t jws_signer_sign(const struct jws_signer *signer, struct slice name, struct slice text,
                       char *signature, size_t room);
size_t jws_signer_code(struct slice name, struct slice secret, struct slice text, char *code);

struct jws_signer *jws_signer_create(const char *kind, size_t bits)
{
    EVP_PKEY *key = bits > 0         ? EVP_PKEY_Q_keygen(NULL, NULL, kind, bits)
                    : kind[0] == 'E' ? EVP_PKEY_Q_keygen(NULL, NULL, kind)
                                     : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    struct jws_signer *signer = mem_zeroed(sizeof(*signer));
    signer->key = key;
    return signer;
}

void jws_signer_destroy(struct jws_signer **signer)
{
    EVP_PKEY_free((*signer)->key);
    free(*signer);
    *signer = NULL;
}

static size_t copy_out(BIO *bio, char *text, size_t room)
{
    int length = BIO_read(bio, text, (int)room);
    BIO_free(bio);
    return length > 0 ? (size_t)length : 0;
}

size_t jws_signer_public_pem(const struct jws_signer *signer, char *text, size_t room)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PUBKEY(bio, signer->key);
    return copy_out(bio, text, room);
}

size_t jws_signer_private_pem(const struct jws_signer *signer, char *text, size_t room)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, signer->key, NULL, NULL, 0, NULL, NULL);
    return copy_out(bio, text, room);
}

size_t jws_signer_number(const struct jws_signer *signer, const char *name, char *bytes,
                         size_t width)
{
    BIGNUM *number = NULL;
    if (EVP_PKEY_get_bn_param(signer->key, name, &number) != 1)
        return 0;
    size_t length = width > 0 ? width : (size_t)BN_num_bytes(number);
    BN_bn2binpad(number, (unsigned char *)bytes, (int)length);
    BN_free(number);
    return length;
}

size_t jws_signer_raw(const struct jws_signer *signer, char *bytes, size_t room)
{
    return EVP_PKEY_get_raw_public_key(signer->key, (unsigned char *)bytes, &room) == 1 ? room : 0;
}

static size_t plain_of(const struct jws_algorithm *algorithm, const unsigned char *der,
                       size_t length, char *signature)
{
    ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)length);
    int half = (int)algorithm->integer_bytes;
    BN_bn2binpad(ECDSA_SIG_get0_r(pair), (unsigned char *)signature, half);
    BN_bn2binpad(ECDSA_SIG_get0_s(pair), (unsigned char *)signature + half, half);
    ECDSA_SIG_free(pair);
    return 2 * algorithm->integer_bytes;
}

size_t jws_signer_sign(const struct jws_signer *signer, struct slice name, struct slice text,
                       char *signature, size_t room)
{
    const struct jws_algorithm *algorithm = jws_algorithm_of(name);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options = NULL;
    size_t length = room;

    EVP_DigestSignInit_ex(context, &options, algorithm->digest, NULL, NULL, signer->key, NULL);
    if (algorithm->family == JWS_PSS) {
        EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST);
    }
    bool is_signed = EVP_DigestSign(context, (unsigned char *)signature, &length,
                                    (const unsigned char *)text.start, text.length) == 1;
    EVP_MD_CTX_free(context);
    if (!is_signed)
        return 0;
    if (algorithm->family != JWS_ECDSA)
        return length;
    unsigned char der[256];
    memcpy(der, signature, length);
    return plain_of(algorithm, der, length, signature);
}

size_t jws_signer_code(struct slice name, struct slice secret, struct slice text, char *code)
{
    const struct jws_algorithm *algorithm = jws_algorithm_of(name);
    unsigned length = 0;
    HMAC(EVP_get_digestbyname(algorithm->digest), secret.start, (int)secret.length,
         (const unsigned char *)text.start, text.length, (unsigned char *)code, &length);
    return length;
}
