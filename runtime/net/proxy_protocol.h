/*
 * proxy_protocol — reads the PROXY header (v1 and v2) that a load balancer puts before a
 * connection's bytes.
 *
 * Pure: bytes in, addresses out. v1 is at most 107 bytes with exact grammar; v2 checks its CRC32C
 * TLV where there is one, and that the other TLVs add up.
 */
#pragma once

#include "base/slice.h"
#include "net/address.h"

#define PROXY_PROTOCOL_BYTES_MAX 4096

enum proxy_protocol_result { PROXY_PROTOCOL_DONE, PROXY_PROTOCOL_MORE, PROXY_PROTOCOL_MALFORMED };

struct proxy_protocol_header {
    size_t length;      /* bytes of the header, to be skipped */
    bool has_addresses; /* false for UNKNOWN and LOCAL: the socket's own hold */
    struct address source, destination;
};

/*
 * `versions` is a bit set: 1 for v1, 2 for v2. PROXY_PROTOCOL_MORE: what came so far may become a
 * header, which never takes more than PROXY_PROTOCOL_BYTES_MAX bytes. `*header` holds something
 * only with PROXY_PROTOCOL_DONE. A v2 header for datagrams is malformed here; one of unspecified
 * family counts as UNKNOWN.
 */
enum proxy_protocol_result proxy_protocol_read(struct slice bytes, unsigned versions,
                                               struct proxy_protocol_header *header);
