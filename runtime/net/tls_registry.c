/*
 * tls_registry — a table of contexts by the SHA-256 of all that they are made from.
 *
 * The lock is held for a few instructions: an idle thread that is preempted there makes the loop
 * wait, but only when that needs a new context or gives up the last reference to one.
 */
#include "net/tls_registry.h"

#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>

#include "base/mem.h"
#include "net/tls_authorities.h"
#include "net/tls_context_internal.h"

#define BUCKETS 4096

/* Static: those who make contexts, in several threads, know nothing of each other. */
static struct {
    pthread_mutex_t lock;
    struct tls_context *buckets[BUCKETS];
} registry = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct tls_context **bucket_of(const unsigned char digest[TLS_CONTEXT_DIGEST_BYTES])
{
    size_t number = digest[0] | (size_t)digest[1] << 8;
    return &registry.buckets[number % BUCKETS];
}

/* False when its last reference is being given back. */
static bool acquire_if_alive(struct tls_context *context)
{
    size_t references = atomic_load(&context->references);

    while (references > 0) {
        if (atomic_compare_exchange_weak(&context->references, &references, references + 1))
            return true;
    }
    return false;
}

static struct tls_context *find(const unsigned char digest[TLS_CONTEXT_DIGEST_BYTES])
{
    pthread_mutex_lock(&registry.lock);
    struct tls_context *context = *bucket_of(digest);
    while (context != NULL && (memcmp(context->digest, digest, TLS_CONTEXT_DIGEST_BYTES) != 0 ||
                               !acquire_if_alive(context)))
        context = context->next_registered;
    pthread_mutex_unlock(&registry.lock);
    return context;
}

static void add(struct tls_context *context, const unsigned char digest[TLS_CONTEXT_DIGEST_BYTES])
{
    memcpy(context->digest, digest, TLS_CONTEXT_DIGEST_BYTES);
    context->is_registered = true;
    pthread_mutex_lock(&registry.lock);
    struct tls_context **bucket = bucket_of(digest);
    context->next_registered = *bucket;
    *bucket = context;
    pthread_mutex_unlock(&registry.lock);
}

void tls_registry_remove(struct tls_context *context)
{
    pthread_mutex_lock(&registry.lock);
    struct tls_context **place = bucket_of(context->digest);
    while (*place != context) {
        assert(*place != NULL);
        place = &(*place)->next_registered;
    }
    *place = context->next_registered;
    pthread_mutex_unlock(&registry.lock);
}

/* Each part with its length, so that no two lists of parts are alike. */
static void put(EVP_MD_CTX *digest, const void *bytes, size_t length)
{
    EVP_DigestUpdate(digest, &length, sizeof(length));
    if (length > 0)
        EVP_DigestUpdate(digest, bytes, length);
}

static void put_slice(EVP_MD_CTX *digest, struct slice slice)
{
    bool is_there = slice.start != NULL;

    put(digest, &is_there, sizeof(is_there));
    put(digest, slice.start, is_there ? slice.length : 0);
}

/* What errors call them makes no difference. */
static void put_identity(EVP_MD_CTX *digest, const struct tls_identity *identity)
{
    put_slice(digest, identity->certificate.text);
    put_slice(digest, identity->key.text);
}

static EVP_MD_CTX *begin(const char *side)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    put_slice(digest, slice_from_string(side));
    return digest;
}

static void end(EVP_MD_CTX *digest, unsigned char into[TLS_CONTEXT_DIGEST_BYTES])
{
    EVP_DigestFinal_ex(digest, into, NULL);
    EVP_MD_CTX_free(digest);
}

static void digest_server(const struct tls_server_options *options,
                          unsigned char into[TLS_CONTEXT_DIGEST_BYTES])
{
    EVP_MD_CTX *digest = begin("server");

    for (size_t i = 0; i < options->identity_count; i++)
        put_identity(digest, &options->identities[i]);
    put(digest, &options->client_certificate, sizeof(options->client_certificate));
    put_slice(digest, options->client_authority.text);
    put_slice(digest, options->revoked.text);
    put(digest, &options->takes_expired_lists, sizeof(options->takes_expired_lists));
    put(digest, options->alpn, options->alpn_length);
    put(digest, &options->version_min, sizeof(options->version_min));
    end(digest, into);
}

/* Of the system's authorities the store that they were read into: another one when their file has
 * changed. It lives as long as contexts that use it, and so does its address. */
static void digest_client(const struct tls_client_options *options, struct slice scope,
                          const X509_STORE *system, unsigned char into[TLS_CONTEXT_DIGEST_BYTES])
{
    EVP_MD_CTX *digest = begin("client");

    put_slice(digest, scope);
    put(digest, &options->verify, sizeof(options->verify));
    put_slice(digest, options->authority.text);
    put(digest, &system, sizeof(system));
    put_identity(digest, &options->identity);
    put(digest, options->alpn, options->alpn_length);
    end(digest, into);
}

struct tls_context *tls_registry_server(const struct tls_server_options *options,
                                        char error[TLS_CONTEXT_ERROR_BYTES])
{
    unsigned char digest[TLS_CONTEXT_DIGEST_BYTES];

    digest_server(options, digest);
    struct tls_context *context = find(digest);
    if (context != NULL)
        return context;
    context = tls_context_create_server(options, error);
    if (context != NULL)
        add(context, digest);
    return context;
}

struct tls_context *tls_registry_client(const struct tls_client_options *options,
                                        struct slice scope, char error[TLS_CONTEXT_ERROR_BYTES])
{
    unsigned char digest[TLS_CONTEXT_DIGEST_BYTES];
    bool needs_system = options->verify && options->authority.text.start == NULL;
    X509_STORE *system = needs_system ? tls_authorities_of_system(error) : NULL;

    if (needs_system && system == NULL)
        return NULL;
    digest_client(options, scope, system, digest);
    struct tls_context *context = find(digest);
    if (context == NULL) {
        context = tls_context_create_client(options, error);
        if (context != NULL)
            add(context, digest);
    }
    X509_STORE_free(system);
    return context;
}
