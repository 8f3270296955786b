/*
 * tls_authorities — the certificate authorities that this system trusts.
 *
 * Read whole, because OpenSSL's own look-up reads files in the middle of a handshake, which
 * would block the loop; and once per process, because they are a megabyte and every
 * upstream with TLS needs them. Read again after the file changed. From any thread.
 */
#pragma once

#include <openssl/x509.h>

#include "net/tls_context.h"

/* A reference for the caller; NULL with a text when there are none. */
X509_STORE *tls_authorities_of_system(char error[TLS_CONTEXT_ERROR_BYTES]);
