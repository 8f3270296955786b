/*
 * protocols — HTTP/1.1, and what has been registered.
 */
#include "gateway/protocols.h"

#include "http/h1_protocol.h"

/* Not const, since a test adds to it; written before the first worker only. */
static const struct http_protocol *protocols[PROTOCOLS_MAX] = {&H1_PROTOCOL};

const struct http_protocol *protocols_at(size_t i)
{
    return i < PROTOCOLS_MAX ? protocols[i] : NULL;
}

const struct http_protocol *protocols_find(struct slice name)
{
    const struct http_protocol *protocol;
    for (size_t i = 0; (protocol = protocols_at(i)) != NULL; i++) {
        if (slice_equals(slice_from_string(protocol->name), name))
            return protocol;
    }
    return NULL;
}

const struct http_protocol *protocols_negotiated(struct slice alpn)
{
    const struct http_protocol *protocol;
    for (size_t i = 0; alpn.length > 0 && (protocol = protocols_at(i)) != NULL; i++) {
        if (protocol->alpn != NULL && slice_equals(slice_from_string(protocol->alpn), alpn))
            return protocol;
    }
    return &H1_PROTOCOL;
}

bool protocols_register(const struct http_protocol *protocol)
{
    for (size_t i = 0; i < PROTOCOLS_MAX; i++) {
        if (protocols[i] == NULL) {
            protocols[i] = protocol;
            return true;
        }
    }
    return false;
}
