/*
 * export_tls — facts about the TLS of a client's connection for Lua.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "bridge/decision.h"
#include "bridge/exports.h"
#include "net/stream.h"

/* NULL without TLS, or when the client has gone. */
static SSL *tls_of(const struct exchange *exchange)
{
    const struct downstream *connection = exchange->connection;
    if (connection == NULL || connection->session == NULL)
        return NULL;
    return stream_tls(http_session_transport(connection->session));
}

static struct slice name_text(struct arena *arena, const X509_NAME *name)
{
    struct slice text = SLICE_NONE;
    BIO *memory = BIO_new(BIO_s_mem());
    char *bytes = NULL;

    if (memory != NULL && X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253) >= 0) {
        long length = BIO_get_mem_data(memory, &bytes);
        if (length > 0)
            text = arena_copy(arena, slice_of(bytes, (size_t)length));
    }
    BIO_free(memory);
    return text;
}

static struct slice hex_text(struct arena *arena, const unsigned char *bytes, size_t count)
{
    static const char DIGITS[] = "0123456789abcdef";
    char *text = arena_alloc(arena, 2 * count);
    for (size_t i = 0; i < count; i++) {
        text[2 * i] = DIGITS[bytes[i] >> 4];
        text[2 * i + 1] = DIGITS[bytes[i] & 15];
    }
    return slice_of(text, 2 * count);
}

static struct slice certificate_text(struct arena *arena, X509 *certificate, int which)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_length = 0;

    if (which == MOON_TLS_SUBJECT)
        return name_text(arena, X509_get_subject_name(certificate));
    if (which == MOON_TLS_ISSUER)
        return name_text(arena, X509_get_issuer_name(certificate));
    if (which == MOON_TLS_SERIAL) {
        const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
        return hex_text(arena, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
    }
    if (X509_digest(certificate, EVP_sha256(), digest, &digest_length) != 1)
        return SLICE_NONE;
    return hex_text(arena, digest, digest_length);
}

bool moon_tls_text(struct exchange *exchange, int which, struct slice *text)
{
    SSL *tls = tls_of(exchange);

    if (tls == NULL)
        return false;
    if (which == MOON_TLS_SERVER_NAME) {
        *text = decision_server_name(exchange);
        return text->length > 0;
    }
    if (which == MOON_TLS_VERSION || which == MOON_TLS_CIPHER) {
        *text = slice_from_string(which == MOON_TLS_VERSION ? SSL_get_version(tls)
                                                            : SSL_get_cipher_name(tls));
        return true;
    }
    X509 *certificate = SSL_get0_peer_certificate(tls);
    if (certificate == NULL)
        return false;
    if (which == MOON_TLS_FAULT) {
        long result = SSL_get_verify_result(tls);
        *text = slice_from_string(X509_verify_cert_error_string(result));
        return result != X509_V_OK;
    }
    *text = certificate_text(&exchange->arena, certificate, which);
    return text->start != NULL;
}

int moon_tls_client(struct exchange *exchange)
{
    SSL *tls = tls_of(exchange);

    if (tls == NULL)
        return -1;
    return SSL_get0_peer_certificate(tls) != NULL && SSL_get_verify_result(tls) == X509_V_OK;
}

static struct slice kind_of(const GENERAL_NAME *name)
{
    switch (name->type) {
    case GEN_EMAIL:
        return SLICE("email");
    case GEN_DNS:
        return SLICE("dns");
    case GEN_URI:
        return SLICE("uri");
    default:
        return SLICE_NONE;
    }
}

/* A start of NULL for kinds that policies do not go by, and for names that would read differently
 * elsewhere: with NUL, blanks, bytes that are not ASCII. */
static struct slice name_of(const GENERAL_NAME *name)
{
    if (kind_of(name).start == NULL)
        return SLICE_NONE;
    struct slice value = slice_of((const char *)ASN1_STRING_get0_data(name->d.ia5),
                                  (size_t)ASN1_STRING_length(name->d.ia5));
    for (size_t i = 0; i < value.length; i++) {
        if (value.start[i] <= ' ' || value.start[i] > '~')
            return SLICE_NONE;
    }
    return value.length > 0 ? value : SLICE_NONE;
}

bool moon_tls_name_next(struct exchange *exchange, uint32_t *at, struct slice *pair)
{
    SSL *tls = tls_of(exchange);
    X509 *certificate = tls != NULL ? SSL_get0_peer_certificate(tls) : NULL;
    if (certificate == NULL)
        return false;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    struct slice value = SLICE_NONE;

    while (value.start == NULL && (int)*at < sk_GENERAL_NAME_num(names)) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, (int)(*at)++);
        value = name_of(name);
        pair[0] = kind_of(name);
    }
    if (value.start != NULL)
        pair[1] = arena_copy(&exchange->arena, value);
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    return value.start != NULL;
}
