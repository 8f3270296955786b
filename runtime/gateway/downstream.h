/*
 * downstream — a client's connection, as exchanges and policies see it.
 */
#pragma once

#include "base/list.h"
#include "http/http_session.h"
#include "net/address.h"

struct gateway;

struct downstream {
    struct list node; /* of the gateway's connections */
    struct gateway *gateway;
    struct http_session *session;
    struct address client;                /* whom the PROXY header names, else the peer */
    char client_text[ADDRESS_TEXT_BYTES]; /* host part of `client` */
    size_t client_text_length;
    const struct listen_options *listen; /* a copy, acquired */
    struct http_session_limits limits;   /* the session's; renewed between requests */
    unsigned options_serial;             /* of the gateway's options that `limits` come from */
    bool is_counted;                     /* among the connections of its address */
    bool is_trusted; /* `client` is in the trusted-proxy list: its forwarded fields count */
};
