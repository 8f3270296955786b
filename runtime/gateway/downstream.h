/*
 * downstream — a client's connection, as exchanges and policies see it.
 */
#pragma once

#include "base/list.h"
#include "http/http_session.h"

struct gateway;

struct downstream {
    struct list node; /* of the gateway's connections */
    struct gateway *gateway;
    struct http_session *session;
    const struct listen_options *listen; /* a copy, acquired */
    unsigned options_serial;             /* of the gateway's options that were last looked at */
    bool is_counted;                     /* among the connections of its address */
    bool is_trusted; /* the client is in the trusted-proxy list: its forwarded fields count */
    unsigned char client_length;
    char client[]; /* the host whom the PROXY header names, else the peer's, as text */
};

static inline struct slice downstream_client(const struct downstream *connection)
{
    return slice_of(connection->client, connection->client_length);
}
