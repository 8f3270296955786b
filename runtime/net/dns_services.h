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

struct dns_service_list {
    struct dns_service *services; /* room of the caller's for `services_max`; more are left out */
    size_t services_max, count;
    double ttl; /* the least of all records, in seconds */
};

/*
 * Reads the whole answer, aliases on the way included. What is said to be not there (the host ".")
 * is left out. False when it is malformed, or a host is none.
 */
bool dns_services_read(const unsigned char *answer, size_t length, struct dns_service_list *list);
