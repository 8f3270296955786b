/*
 * tls_revocation — which certificates their authorities have taken back (RFC 5280, 5).
 *
 * Lists come from files and never from the network: a handshake waits for nothing. Each CA of a
 * chain needs its own, or nobody with that chain is verified.
 */
#pragma once

#include <openssl/x509.h>
#include <stdbool.h>

#include "net/tls_context.h"

/* Has `store` look at the CRLs in `lists`; there must be one at least. */
bool tls_revocation_check(X509_STORE *store, const struct tls_pem *lists,
                          char error[TLS_CONTEXT_ERROR_BYTES]);
/*
 * For SSL_CTX_set_verify(): as OpenSSL decides, but a list that is past its nextUpdate still
 * counts. `is_required` false lets everybody through, and SSL_get_verify_result() tells; true ends
 * handshakes.
 */
typedef int tls_revocation_verdict(int is_valid, X509_STORE_CTX *found);
tls_revocation_verdict *tls_revocation_with_expired_lists(bool is_required);
