/*
 * tls_revocation — CRLs in the store that a chain is verified with.
 */
#include "net/tls_revocation.h"

#include <assert.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/tls_certificate.h"

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *text, int bytes, int is_writing, void *data)
{
    return -1;
}

/* Adds one after the other; how many there were, -1 when one cannot be read or added. */
static int add_all(X509_STORE *store, BIO *bio)
{
    X509_CRL *list;
    int count = 0;

    while ((list = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL) {
        bool is_added = X509_STORE_add_crl(store, list) == 1;
        X509_CRL_free(list);
        if (!is_added)
            return -1;
        count++;
    }
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? count : -1;
}

bool tls_revocation_check(X509_STORE *store, const struct tls_pem *lists,
                          char error[TLS_CONTEXT_ERROR_BYTES])
{
    BIO *bio = tls_certificate_open(lists);
    int count = add_all(store, bio);

    BIO_free(bio);
    if (count <= 0)
        return tls_certificate_refuse(error, lists, "not a certificate revocation list in PEM");
    ERR_clear_error();
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    return true;
}

/* Where a verification keeps its last error that counts. */
static int error_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void reserve_index(void)
{
    error_index = X509_STORE_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
    if (error_index < 0) {
        fprintf(stderr, "moongate: OpenSSL is out of memory\n");
        abort();
    }
}

/* The error is one of its own: what was wrong before it has to stay. */
static bool is_excused(X509_STORE_CTX *found)
{
    int problem = X509_STORE_CTX_get_error(found);

    if (problem == X509_V_ERR_CRL_HAS_EXPIRED) {
        intptr_t before = (intptr_t)X509_STORE_CTX_get_ex_data(found, error_index);
        X509_STORE_CTX_set_error(found, (int)before);
        return true;
    }
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): a number in place of a pointer. */
    X509_STORE_CTX_set_ex_data(found, error_index, (void *)(intptr_t)problem);
    return false;
}

static int end_handshakes(int is_valid, X509_STORE_CTX *found)
{
    return is_valid || is_excused(found);
}

static int let_through(int is_valid, X509_STORE_CTX *found)
{
    if (!is_valid)
        is_excused(found);
    return 1;
}

tls_revocation_verdict *tls_revocation_with_expired_lists(bool is_required)
{
    pthread_once(&once, reserve_index);
    return is_required ? end_handshakes : let_through;
}
