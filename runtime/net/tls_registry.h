/*
 * tls_registry — contexts of this process, found again by what they would be made from.
 *
 * So a reload that changes nothing of a certificate goes on with the context that is there, and
 * with the connections and sessions made under it. A context is in it for as long as somebody holds
 * a reference. From any thread.
 */
#pragma once

#include "net/tls_context.h"

/* As tls_context_create_server(): with a reference for the caller, new or not. */
struct tls_context *tls_registry_server(const struct tls_server_options *options,
                                        char error[TLS_CONTEXT_ERROR_BYTES]);
/* As tls_context_create_client(). Contexts of different `scope` are never the same, so that each
 * has room for its sessions. */
struct tls_context *tls_registry_client(const struct tls_client_options *options,
                                        struct slice scope, char error[TLS_CONTEXT_ERROR_BYTES]);
