/*
 * gateway_options — what a configuration says of a gateway as a whole, and copies of it.
 */
#pragma once

#include "gateway/shedder.h"
#include "http/http_session.h"

struct address_block;

struct gateway_options {
    struct http_session_limits limits;
    unsigned connections_max; /* per worker; default 65536 */
    unsigned
        connections_per_address_max; /* per worker and client address; 0: no limit; default 0 */
    struct slice via;                /* our name in Via and Proxy-Status; default "moongate" */
    const struct address_block *trusted_proxies;
    size_t trusted_proxy_count;
    bool adds_forwarded;     /* Forwarded as well as X-Forwarded-*; default false */
    uint64_t body_bytes_max; /* of requests that match no route */
    struct shedder_options shed;
};

extern const struct gateway_options GATEWAY_OPTIONS;

/* With all that the options point to. */
struct gateway_options gateway_options_copy(const struct gateway_options *options);
/* Of a copy. */
void gateway_options_clear(struct gateway_options *options);
