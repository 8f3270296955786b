/*
 * dns_services — answers of name servers about services: nothing is read beyond them, and hosts are
 * such as may be connected to.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "net/dns_services.h"

#define SERVICES_MAX 64

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    struct dns_service services[SERVICES_MAX];
    struct dns_service_list list = {.services = services, .services_max = SERVICES_MAX};

    if (!dns_services_read(data, size, &list))
        return 0;
    assert(list.count <= SERVICES_MAX && list.ttl >= 0);
    for (size_t i = 0; i < list.count; i++) {
        size_t length = strnlen(services[i].host, DNS_SERVICE_HOST_BYTES);
        assert(length > 0 && length < DNS_SERVICE_HOST_BYTES);
        assert(strspn(services[i].host, "abcdefghijklmnopqrstuvwxyz0123456789-._") == length);
    }
    return 0;
}
