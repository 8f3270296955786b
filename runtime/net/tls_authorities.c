/*
 * tls_authorities — a cached X509_STORE of the system's bundle.
 */
#include "net/tls_authorities.h"

#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_content.h"
#include "base/mem.h"
#include "net/tls_certificate.h"

/* Distributions' have less than one. */
#define FILE_BYTES_MAX ((size_t)16 << 20)

/*
 * Static, because contexts that know nothing of each other share it: the loader builds those of
 * one generation while the loop uses those of another. Guarded by `lock`.
 */
static struct {
    pthread_mutex_t lock;
    X509_STORE *store;
    struct stat file; /* as it was when `store` was read */
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* As OpenSSL, SSL_CERT_FILE comes first; then where distributions keep the bundle. */
static const char *find_bundle(struct stat *file)
{
    const char *const paths[] = {
        secure_getenv(X509_get_default_cert_file_env()),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
        X509_get_default_cert_file(),
    };

    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        if (paths[i] != NULL && stat(paths[i], file) == 0)
            return paths[i];
    }
    return NULL;
}

static bool is_cached(const struct stat *file)
{
    return cache.store != NULL && cache.file.st_dev == file->st_dev &&
           cache.file.st_ino == file->st_ino && cache.file.st_mtim.tv_sec == file->st_mtim.tv_sec &&
           cache.file.st_mtim.tv_nsec == file->st_mtim.tv_nsec;
}

static X509_STORE *read_bundle(const char *path, char *error)
{
    struct tls_pem pem = {.name = slice_from_string(path)};
    char *bytes = NULL;
    int problem = file_content_read(path, FILE_BYTES_MAX, &bytes, &pem.text.length);

    if (problem != 0) {
        snprintf(error, TLS_CONTEXT_ERROR_BYTES, "%s: %s", path, strerrordesc_np(problem));
        return NULL;
    }
    pem.text.start = bytes;
    X509_STORE *store = X509_STORE_new();
    if (!tls_certificate_trust(store, &pem, error)) {
        X509_STORE_free(store);
        store = NULL;
    }
    free(bytes);
    return store;
}

static X509_STORE *refresh(char *error)
{
    struct stat file;
    const char *path = find_bundle(&file);

    if (path == NULL) {
        snprintf(error, TLS_CONTEXT_ERROR_BYTES,
                 "this system has no certificate authorities (package ca-certificates)");
        return NULL;
    }
    if (!is_cached(&file)) {
        X509_STORE *store = read_bundle(path, error);
        if (store == NULL)
            return NULL;
        X509_STORE_free(cache.store);
        cache.store = store;
        cache.file = file;
    }
    return cache.store;
}

X509_STORE *tls_authorities_of_system(char error[TLS_CONTEXT_ERROR_BYTES])
{
    pthread_mutex_lock(&cache.lock);
    X509_STORE *store = refresh(error);
    if (store != NULL)
        X509_STORE_up_ref(store);
    pthread_mutex_unlock(&cache.lock);
    return store;
}
