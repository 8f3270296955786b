/*
 * dns_services — what an answer of a name server says of the services behind a name (SRV, RFC
 * 2782).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_SERVICE_HOST_BYTES 254

struct dns_service {
    uint16_t priority, weight, port;
    char host[DNS_SERVICE_HOST_BYTES]; /* lower case, no dot at the end, no other bytes than names
                                          of hosts have */
};

/*
 * Reads the whole answer, aliases on the way included. At most `services_max`; what is said to be
 * not there (the host ".") is left out. `*ttl`: the least of all records, in seconds. False when it
 * is malformed, or a host is none.
 */
bool dns_services_read(const unsigned char *answer, size_t length, struct dns_service *services,
                       size_t services_max, size_t *count, double *ttl);
