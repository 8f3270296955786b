/*
 * gateway_options — the defaults, and memory of one's own for what options point to.
 */
#include "gateway/gateway_options.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/address.h"

const struct gateway_options GATEWAY_OPTIONS = {
    .connections_max = 65536,
    .via = {"moongate", 8},
    .body_bytes_max = (uint64_t)1 << 20,
};

struct gateway_options gateway_options_copy(const struct gateway_options *options)
{
    size_t proxies_bytes = options->trusted_proxy_count * sizeof(struct address_block);
    struct address_block *proxies = mem_alloc(proxies_bytes + 1);
    char *via = mem_alloc(options->via.length + 1);
    struct gateway_options copy = *options;

    if (proxies_bytes > 0)
        memcpy(proxies, options->trusted_proxies, proxies_bytes);
    if (options->via.length > 0)
        memcpy(via, options->via.start, options->via.length);
    copy.trusted_proxies = proxies;
    copy.via.start = via;
    return copy;
}

void gateway_options_clear(struct gateway_options *options)
{
    free((void *)options->trusted_proxies);
    free((void *)options->via.start);
}
