/*
 * proxy_protocol — reads the PROXY header (v1 and v2) that a load balancer puts before a connection's bytes.
 *
 * Pure: bytes in, addresses out. v1 is at most 107 bytes with exact grammar; v2 checks its CRC32C TLV where there is one.
 */
#pragma once

#include "base/slice.h"
#include "net/address.h"

#define PROXY_PROTOCOL_BYTES_MAX 4096

enum proxy_protocol_result { PROXY_PROTOCOL_DONE, PROXY_PROTOCOL_MORE, PROXY_PROTOCOL_MALFORMED };

struct proxy_protocol_header {
    size_t length;                      /* bytes of the header, to be skipped */
    bool has_addresses;                 /* false for UNKNOWN and LOCAL: the socket's own hold */
    struct address source, destination;
};

/* `versions` is a bit set: 1 for v1, 2 for v2. PROXY_PROTOCOL_MORE: `bytes` is a proper prefix of a header. */
enum proxy_protocol_result proxy_protocol_read(struct slice bytes, unsigned versions,
                                               struct proxy_protocol_header *header);
