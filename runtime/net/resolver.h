/*
 * resolver — names to addresses without blocking, through c-ares.
 *
 * Answers are kept for their TTL (between 1 and 3,600 seconds), shared by all who ask on this loop;
 * a name being asked for is asked once. That there is no such name is kept for 5 seconds, that no
 * server answered for 1. While no server tells, the last good addresses are used for up to
 * `stale_seconds`; the first who asks then waits half a second for better ones, the others not at
 * all. At most RESOLVER_NAMES_MAX names are kept, the least recently used goes first. /etc/hosts
 * and the search domains of /etc/resolv.conf count as usual.
 */
#pragma once

#include "base/fault.h"
#include "net/address.h"
#include "net/loop.h"

#define RESOLVER_NAMES_MAX     4096
#define RESOLVER_ADDRESSES_MAX 32

struct dns_channel;
struct resolver;
struct resolver_query;

struct resolver_options {
    const char *servers;  /* "192.0.2.1:53,[::1]:53" or NULL: the system's */
    double timeout;       /* seconds for the first try, the second gets twice that; 0: 2 */
    double stale_seconds; /* 0: 3600 */
};

/*
 * FAULT_NONE with addresses (port filled in), or FAULT_UPSTREAM_DNS / FAULT_UPSTREAM_DNS_TIMEOUT.
 * Borrowed during the call.
 */
typedef void resolver_answered(void *data, enum fault fault, const struct address *addresses,
                               size_t count);

/* NULL when `servers` cannot be read or the system lacks resources. */
struct resolver *resolver_create(struct loop *loop, const struct resolver_options *options);
/* Those who wait are not told any more. Not from inside of an answer. Clears `*resolver`. */
void resolver_destroy(struct resolver **resolver);

/* Makes ready to be configured in another way; nothing changes yet. False, as for
 * resolver_create().
 */
bool resolver_prepare(struct resolver *resolver, const struct resolver_options *options);
/* As was prepared, from now on: what is known stays, what is being asked is asked again. */
void resolver_configure(struct resolver *resolver);

/*
 * NULL when answered before this returned (kept answer, or `host` is an address without brackets);
 * else a query that ends with its answer and may be cancelled before. An answer may ask again and
 * cancel other queries. `host` is copied.
 */
struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, uint16_t port,
                                    resolver_answered *answered, void *data);
/* Clears `*query`, which may be NULL. */
void resolver_cancel(struct resolver_query **query);
/* What names are asked through now, for who keeps what it finds by itself: until
 * resolver_configure(). */
struct dns_channel *resolver_channel(const struct resolver *resolver);
