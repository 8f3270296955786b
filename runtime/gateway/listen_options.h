/*
 * listen_options — one address to listen on, with all that applies to connections that come in
 * there.
 *
 * Connections outlive the reading of the configuration that their listener came from: they hold
 * counted copies.
 */
#pragma once

#include "net/listener.h"

struct http_protocol;

struct listen_options {
    struct slice name;                    /* the address as configured, for logs */
    bool is_admin;                        /* carries the admin endpoints, not the routes */
    const struct http_protocol *protocol; /* NULL: by ALPN, else HTTP/1.1 */
    struct listener_options listener;
};

/* A copy that stands alone: of the name and the proxy sources, with a reference to the context. */
const struct listen_options *listen_options_copy(const struct listen_options *options);
const struct listen_options *listen_options_acquire(const struct listen_options *copy);
void listen_options_release(const struct listen_options **copy);
