/*
 * dns_records — all addresses of a name, or all services behind it (SRV), and for how long.
 *
 * For who keeps lists of its own (discovery of targets): nothing is kept here, nothing is sorted,
 * and each question is asked. Hosts files and search domains count as they do for the resolver.
 * Addresses are asked for family by family, so that it is known which one nobody could tell.
 */
#pragma once

#include "net/dns_channel.h"
#include "net/dns_services.h"

/* What comes beyond is left out. */
#define DNS_RECORDS_MAX 4096

enum dns_records_kind { DNS_ADDRESSES, DNS_SERVICES };

struct dns_records {
    enum dns_outcome outcome;
    double ttl;                   /* seconds: the least of all records; 0 from a hosts file */
    int untold_family;            /* AF_INET or AF_INET6: found but for those, which nobody could
                                     tell; 0: these are all that there are */
    size_t count;                 /* at least 1 when they were found */
    struct address *addresses;    /* of DNS_ADDRESSES; port 0 */
    struct dns_service *services; /* of DNS_SERVICES */
};

struct dns_records_query;

/* Borrowed during the call, which comes from the loop, after dns_records_ask() has returned. The
 * query has ended. */
typedef void dns_records_found(void *data, const struct dns_records *records);

/* The channel may go meanwhile: that is an answer, too (DNS_FAILED). */
struct dns_records_query *dns_records_ask(struct dns_channel *channel, enum dns_records_kind kind,
                                          const char *name, dns_records_found *found, void *data);
/* Clears `*query`; nobody is told. */
void dns_records_cancel(struct dns_records_query **query);
