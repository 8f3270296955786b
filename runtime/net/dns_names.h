/*
 * dns_names — the names that a resolver knows or is asking for, at most RESOLVER_NAMES_MAX.
 */
#pragma once

#include "base/list.h"
#include "net/resolver.h"
#include "net/timeout.h"

#define DNS_NAME_BYTES_MAX 254 /* with a dot at the end (RFC 1035, 2.3.4) */
#define DNS_NAMES_BUCKETS  1024

struct dns_name {
    struct list recency; /* in dns_names: the one used last is first */
    struct dns_name *next_in_bucket;
    struct resolver *resolver;

    enum fault fault; /* FAULT_NONE: the addresses hold */
    struct address *addresses;
    size_t count;
    double kept_until;  /* until then nobody is asked again; in loop time, as below */
    double stale_until; /* until then the addresses may be used while no server tells better */
    bool is_failing;    /* no server told better: the addresses are stale */
    bool is_late;       /* nor has one so far, in the lookup that runs */

    bool is_asked;                     /* a lookup runs */
    struct list waiting;               /* queries, until it ends */
    size_t query_count;                /* waiting, or about to be answered */
    struct timeout patience;           /* then those who wait get the stale answer */
    char host[DNS_NAME_BYTES_MAX + 1]; /* lower case */
};

struct dns_names {
    struct dns_name *buckets[DNS_NAMES_BUCKETS];
    struct list by_recency;
    size_t count;
};

void dns_names_init(struct dns_names *names);
/* All of them, asked for or not. */
void dns_names_clear(struct dns_names *names);
/*
 * The name, made if need be with `kept_until` 0, and now the last one used. NULL when `host` is no
 * possible name, or when all places are taken by names that are being asked for.
 */
struct dns_name *dns_names_get(struct dns_names *names, const char *host);
