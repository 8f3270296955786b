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
    size_t count = 0;
    double ttl = 0;

    if (!dns_services_read(data, size, services, SERVICES_MAX, &count, &ttl))
        return 0;
    assert(count <= SERVICES_MAX && ttl >= 0);
    for (size_t i = 0; i < count; i++) {
        size_t length = strnlen(services[i].host, DNS_SERVICE_HOST_BYTES);
        assert(length > 0 && length < DNS_SERVICE_HOST_BYTES);
        assert(strspn(services[i].host, "abcdefghijklmnopqrstuvwxyz0123456789-._") == length);
    }
    return 0;
}
