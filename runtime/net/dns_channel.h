/*
 * dns_channel — asks hosts files and name servers through c-ares, on a loop.
 *
 * No memory of its own: each lookup is asked. Reads /etc/resolv.conf, with its search domains, when
 * it is created, and /etc/hosts for each lookup, as c-ares does.
 */
#pragma once

#include "net/resolver.h"

struct dns_channel;

enum dns_outcome {
    DNS_FOUND,
    DNS_ABSENT,    /* there is no such name, or it has no address */
    DNS_FAILED,    /* no server could tell */
    DNS_TIMED_OUT, /* no server answered */
};

struct dns_result {
    enum dns_outcome outcome;
    double ttl; /* the smallest of all records; 0 from a hosts file */
    size_t count;
    struct address
        addresses[RESOLVER_ADDRESSES_MAX]; /* port 0, in the order of preference (RFC 6724) */
};

/*
 * Borrowed during the call, which may come before dns_channel_lookup() returns. May start
 * lookups, but not destroy the channel.
 */
typedef void dns_looked_up(void *data, const struct dns_result *result);

/* NULL when `options->servers` cannot be read or the system lacks resources. */
struct dns_channel *dns_channel_create(struct loop *loop, const struct resolver_options *options);
/* Pending lookups end without a call. */
void dns_channel_destroy(struct dns_channel **channel);
void dns_channel_lookup(struct dns_channel *channel, const char *host, dns_looked_up *done,
                        void *data);
