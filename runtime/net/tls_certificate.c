/*
 * tls_certificate — reading PEM.
 */
#include "net/tls_certificate.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tls_certificate_refuse(char error[TLS_CONTEXT_ERROR_BYTES], const struct tls_pem *pem,
                            const char *what)
{
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    snprintf(error, TLS_CONTEXT_ERROR_BYTES, "%.*s: %s%s%s", SLICE_FORMAT(pem->name), what,
             reason != NULL ? ": " : "", reason != NULL ? reason : "");
    ERR_clear_error();
    return false;
}

BIO *tls_certificate_open(const struct tls_pem *pem)
{
    assert(pem->text.start != NULL && pem->text.length <= INT_MAX);
    ERR_clear_error();
    BIO *bio = BIO_new_mem_buf(pem->text.start, (int)pem->text.length);
    if (bio == NULL) {
        fprintf(stderr, "moongate: OpenSSL is out of memory\n");
        abort();
    }
    return bio;
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *text, int bytes, int is_writing, void *data)
{
    return -1;
}

static EVP_PKEY *read_key(const struct tls_pem *pem, char error[TLS_CONTEXT_ERROR_BYTES])
{
    BIO *bio = tls_certificate_open(pem);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    if (key == NULL)
        tls_certificate_refuse(error, pem, "not a private key in PEM without a passphrase");
    return key;
}

/* All certificates in the text, in order; NULL when there is none, or one that cannot be read. */
static STACK_OF(X509) *
    read_certificates(const struct tls_pem *pem, char error[TLS_CONTEXT_ERROR_BYTES])
{
    BIO *bio = tls_certificate_open(pem);
    STACK_OF(X509) *certificates = sk_X509_new_null();
    X509 *certificate;
    while ((certificate = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL)
        sk_X509_push(certificates, certificate);
    BIO_free(bio);

    bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (is_at_end && sk_X509_num(certificates) > 0) {
        ERR_clear_error();
        return certificates;
    }
    tls_certificate_refuse(error, pem, "not a certificate in PEM");
    sk_X509_pop_free(certificates, X509_free);
    return NULL;
}

bool tls_certificate_load(SSL_CTX *ssl_context, const struct tls_identity *identity,
                          char error[TLS_CONTEXT_ERROR_BYTES])
{
    EVP_PKEY *key = read_key(&identity->key, error);
    if (key == NULL)
        return false;
    STACK_OF(X509) *chain = read_certificates(&identity->certificate, error);
    if (chain == NULL) {
        EVP_PKEY_free(key);
        return false;
    }

    X509 *certificate = sk_X509_shift(chain);
    bool is_used = SSL_CTX_use_cert_and_key(ssl_context, certificate, key, chain, 1) == 1;
    if (!is_used)
        tls_certificate_refuse(error, &identity->certificate, "cannot be used with its key");
    X509_free(certificate);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    return is_used;
}

static void add_name(struct tls_names *names, const ASN1_STRING *text, size_t index)
{
    unsigned char *utf8 = NULL;
    int length = ASN1_STRING_to_UTF8(&utf8, text);

    if (length > 0)
        tls_names_add(names, slice_of((const char *)utf8, (size_t)length), index);
    OPENSSL_free(utf8);
}

static void add_common_name(struct tls_names *names, X509 *certificate, size_t index)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    if (at >= 0)
        add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), index);
}

void tls_certificate_names(X509 *certificate, struct tls_names *names, size_t index)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            add_name(names, name->d.dNSName, index);
    }
    if (all == NULL)
        add_common_name(names, certificate, index);
    GENERAL_NAMES_free(all);
    ERR_clear_error();
}

bool tls_certificate_trust(X509_STORE *store, const struct tls_pem *authority,
                           char error[TLS_CONTEXT_ERROR_BYTES])
{
    STACK_OF(X509) *certificates = read_certificates(authority, error);
    bool is_added = certificates != NULL;

    for (int i = 0; is_added && i < sk_X509_num(certificates); i++)
        is_added = X509_STORE_add_cert(store, sk_X509_value(certificates, i)) == 1;
    if (certificates != NULL && !is_added)
        tls_certificate_refuse(error, authority, "cannot be trusted");
    sk_X509_pop_free(certificates, X509_free);
    return is_added;
}
