/*
 * dns_records — one question to c-ares, or one for each family, whose answers are copied and told
 * by the loop together.
 */
#include "net/dns_records.h"

#include <math.h>

#include "base/mem.h"
#include "net/dns_channel_internal.h"

#define CLASS_IN 1
#define TYPE_SRV 33
/* No service in an answer takes less. */
#define SERVICE_BYTES_MIN 18

struct family_query {
    struct dns_records_query *query;
    int family;
    enum dns_outcome outcome;
};

struct dns_records_query {
    struct loop *loop;
    struct family_query families[2];
    size_t family_count, pending;
    dns_records_found *found; /* NULL: cancelled while c-ares has it */
    void *data;
    struct dns_records records;
    struct loop_deferred telling;
    bool is_answered;
};

static void query_free(struct dns_records_query *query)
{
    free(query->records.addresses);
    free(query->records.services);
    free(query);
}

static void tell(struct loop_deferred *item)
{
    struct dns_records_query *query = CONTAINER_OF(item, struct dns_records_query, telling);

    query->found(query->data, &query->records);
    query_free(query);
}

/* c-ares is done with it. */
static void end(struct dns_records_query *query)
{
    struct dns_records *records = &query->records;

    if (records->outcome == DNS_FOUND && records->count == 0)
        records->outcome = DNS_ABSENT;
    query->is_answered = true;
    if (query->found == NULL)
        query_free(query);
    else
        loop_defer(query->loop, &query->telling);
}

static size_t count_of(const struct ares_addrinfo *info)
{
    size_t count = 0;
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next)
        count++;
    return count < DNS_RECORDS_MAX ? count : DNS_RECORDS_MAX;
}

static void take_addresses(const struct ares_addrinfo *info, struct dns_records *records)
{
    size_t room = records->count + count_of(info);

    records->addresses = mem_resize(records->addresses, (room + 1) * sizeof(*records->addresses));
    for (const struct ares_addrinfo_node *node = info->nodes;
         node != NULL && records->count < room && records->count < DNS_RECORDS_MAX;
         node = node->ai_next) {
        struct address *address = &records->addresses[records->count];
        address_from_socket(node->ai_addr, (socklen_t)node->ai_addrlen, address);
        records->count += address->length > 0;
        records->ttl = fmin(records->ttl, node->ai_ttl);
    }
    for (const struct ares_addrinfo_cname *alias = info->cnames; alias != NULL; alias = alias->next)
        records->ttl = fmin(records->ttl, alias->ttl);
}

/* What all families say together: some are found; there are none; or why that is not known. */
static void sum_up(struct dns_records_query *query)
{
    struct dns_records *records = &query->records;

    records->outcome = records->count > 0 ? DNS_FOUND : DNS_ABSENT;
    for (size_t i = 0; i < query->family_count; i++) {
        const struct family_query *each = &query->families[i];
        if (each->outcome == DNS_FOUND || each->outcome == DNS_ABSENT)
            continue;
        if (records->count > 0)
            records->untold_family = each->family;
        else
            records->outcome = each->outcome;
    }
}

static void on_addresses(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct family_query *each = data;
    struct dns_records_query *query = each->query;

    each->outcome = dns_channel_outcome(status);
    if (info != NULL) {
        take_addresses(info, &query->records);
        ares_freeaddrinfo(info);
    }
    if (--query->pending > 0)
        return;
    sum_up(query);
    end(query);
}

static bool is_in_hosts_file(ares_channel ares, const char *name)
{
    struct hostent *host = NULL;
    bool is_there = ares_gethostbyname_file(ares, name, AF_UNSPEC, &host) == ARES_SUCCESS;

    if (host != NULL)
        ares_free_hostent(host);
    return is_there;
}

/* A hosts file says all that there is, of either family. */
static void ask_addresses(struct dns_channel *channel, const char *name,
                          struct dns_records_query *query)
{
    static const int APART[] = {AF_INET, AF_INET6};
    struct ares_addrinfo_hints hints = {.ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};

    query->records.ttl = INFINITY;
    query->family_count = query->pending = is_in_hosts_file(channel->ares, name) ? 1 : 2;
    for (size_t i = 0, count = query->family_count; i < count; i++) {
        hints.ai_family = count == 1 ? AF_UNSPEC : APART[i];
        query->families[i] = (struct family_query){.query = query, .family = hints.ai_family};
        ares_getaddrinfo(channel->ares, name, NULL, &hints, on_addresses, &query->families[i]);
    }
}

static bool take_services(const unsigned char *answer, size_t bytes, struct dns_records *records)
{
    size_t room = bytes / SERVICE_BYTES_MIN;
    struct dns_service_list list = {
        .services_max = room < DNS_RECORDS_MAX ? room : DNS_RECORDS_MAX,
    };

    list.services = mem_zeroed_array(list.services_max + 1, sizeof(*list.services));
    bool is_good = dns_services_read(answer, bytes, &list);
    records->services = list.services;
    records->count = is_good ? list.count : 0;
    records->ttl = list.ttl;
    return is_good;
}

static void on_services(void *data, int status, int timeouts, unsigned char *answer, int length)
{
    struct dns_records_query *query = data;
    struct dns_records *records = &query->records;
    size_t bytes = answer != NULL && length > 0 ? (size_t)length : 0;

    records->outcome = dns_channel_outcome(status);
    if (records->outcome == DNS_FOUND && !take_services(answer, bytes, records))
        records->outcome = DNS_FAILED;
    end(query);
}

struct dns_records_query *dns_records_ask(struct dns_channel *channel, enum dns_records_kind kind,
                                          const char *name, dns_records_found *found, void *data)
{
    struct dns_records_query *query = mem_zeroed(sizeof(*query));

    query->loop = channel->loop;
    query->found = found;
    query->data = data;
    query->telling.run = tell;
    list_init(&query->telling.node);
    if (kind == DNS_ADDRESSES)
        ask_addresses(channel, name, query);
    else
        ares_search(channel->ares, name, CLASS_IN, TYPE_SRV, on_services, query);
    dns_channel_set_deadline(channel);
    return query;
}

void dns_records_cancel(struct dns_records_query **query)
{
    struct dns_records_query *cancelled = *query;

    *query = NULL;
    if (cancelled->is_answered) {
        list_remove(&cancelled->telling.node);
        query_free(cancelled);
    } else {
        cancelled->found = NULL;
    }
}
