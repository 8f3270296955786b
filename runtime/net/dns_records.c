/*
 * dns_records — one question to c-ares, whose answer is copied and told by the loop.
 */
#include "net/dns_records.h"

#include <math.h>

#include "base/mem.h"
#include "net/dns_channel_internal.h"

#define CLASS_IN 1
#define TYPE_SRV 33
/* No service in an answer takes less. */
#define SERVICE_BYTES_MIN 18

struct dns_records_query {
    struct loop *loop;
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
    size_t room = count_of(info);

    records->addresses = mem_zeroed_array(room + 1, sizeof(*records->addresses));
    records->ttl = INFINITY;
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL && records->count < room;
         node = node->ai_next) {
        struct address *address = &records->addresses[records->count];
        address_from_socket(node->ai_addr, (socklen_t)node->ai_addrlen, address);
        records->count += address->length > 0;
        records->ttl = fmin(records->ttl, node->ai_ttl);
    }
    for (const struct ares_addrinfo_cname *alias = info->cnames; alias != NULL; alias = alias->next)
        records->ttl = fmin(records->ttl, alias->ttl);
}

static void on_addresses(void *data, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_records_query *query = data;

    query->records.outcome = dns_channel_outcome(status);
    if (info != NULL) {
        take_addresses(info, &query->records);
        ares_freeaddrinfo(info);
    }
    end(query);
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
    static const struct ares_addrinfo_hints HINTS = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = ARES_AI_NOSORT};
    struct dns_records_query *query = mem_zeroed(sizeof(*query));

    query->loop = channel->loop;
    query->found = found;
    query->data = data;
    query->telling.run = tell;
    list_init(&query->telling.node);
    if (kind == DNS_ADDRESSES)
        ares_getaddrinfo(channel->ares, name, NULL, &HINTS, on_addresses, query);
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
