/*
 * resolver — what is known is answered at once, the rest is asked for, once for all who wait.
 *
 * An answer is never given from inside of c-ares, but after it has returned: those who
 * are told may ask again and cancel whatever they like.
 */
#include "net/resolver.h"

#include <assert.h>
#include <math.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/dns_channel.h"
#include "net/dns_names.h"

#define TTL_SECONDS_MIN 1
#define TTL_SECONDS_MAX 3600
/* How long nobody is asked again after there was no such name, and after no answer came. */
#define ABSENT_SECONDS 5
#define FAILED_SECONDS 1
#define STALE_SECONDS  3600
/*
 * How long an expired answer waits for a better one (as RFC 8767, 5, suggests, but less patient).
 */
#define PATIENCE_SECONDS 0.5

/* What a channel was made from. */
struct settings {
    char *servers; /* NULL: the system's */
    double timeout, stale_seconds;
};

struct resolver {
    struct loop *loop;
    struct dns_channel *channel;
    struct settings settings;
    struct dns_channel *next_channel; /* NULL: none is prepared, or the same one goes on */
    struct settings next_settings;
    struct dns_names names;
    struct list ready; /* queries whose name has its answer */
    struct loop_deferred answering;
};

struct resolver_query {
    struct list node; /* in dns_name.waiting or resolver.ready */
    struct dns_name *name;
    uint16_t port;
    resolver_answered *answered;
    void *data;
};

static void set_port(struct address *address, uint16_t port)
{
    if (address->any.sa_family == AF_INET)
        address->v4.sin_port = htons(port);
    else
        address->v6.sin6_port = htons(port);
}

/* From a copy, because who is told may make the name change. */
static void tell(const struct dns_name *name, uint16_t port, resolver_answered *answered,
                 void *data)
{
    struct address addresses[RESOLVER_ADDRESSES_MAX];
    size_t count = name->count;

    assert(count <= RESOLVER_ADDRESSES_MAX && (count > 0) == (name->fault == FAULT_NONE));
    for (size_t i = 0; i < count; i++) {
        addresses[i] = name->addresses[i];
        set_port(&addresses[i], port);
    }
    answered(data, name->fault, addresses, count);
}

static void query_free(struct resolver_query *query)
{
    list_remove(&query->node);
    query->name->query_count--;
    free(query);
}

static void answer_ready(struct loop_deferred *item)
{
    struct resolver *resolver = CONTAINER_OF(item, struct resolver, answering);

    while (!list_is_empty(&resolver->ready)) {
        struct resolver_query *query =
            CONTAINER_OF(resolver->ready.next, struct resolver_query, node);
        struct resolver_query copy = *query;
        query_free(query);
        tell(copy.name, copy.port, copy.answered, copy.data);
    }
}

static void answer_waiting(struct dns_name *name)
{
    struct resolver *resolver = name->resolver;

    timeout_clear(&name->patience);
    while (!list_is_empty(&name->waiting)) {
        struct list *node = name->waiting.next;
        list_remove(node);
        list_push_back(&resolver->ready, node);
    }
    if (!list_is_empty(&resolver->ready))
        loop_defer(resolver->loop, &resolver->answering);
}

static bool has_stale(const struct dns_name *name)
{
    return name->count > 0 && loop_monotonic(name->resolver->loop) < name->stale_until;
}

static void on_patience_over(void *data)
{
    struct dns_name *name = data;

    if (!has_stale(name))
        return;
    name->is_late = true;
    answer_waiting(name);
}

static void set_addresses(struct dns_name *name, const struct address *addresses, size_t count)
{
    free(name->addresses);
    name->addresses = NULL;
    name->count = count;
    if (count > 0) {
        name->addresses = mem_alloc(count * sizeof(*addresses));
        memcpy(name->addresses, addresses, count * sizeof(*addresses));
    }
}

static void set_found(struct dns_name *name, const struct dns_result *result)
{
    double now = loop_monotonic(name->resolver->loop);

    if (name->is_failing)
        log_write(LOG_INFO, "the name %s resolves again", name->host);
    set_addresses(name, result->addresses, result->count);
    name->fault = FAULT_NONE;
    name->kept_until = now + fmin(fmax(result->ttl, TTL_SECONDS_MIN), TTL_SECONDS_MAX);
    name->stale_until = name->kept_until + name->resolver->settings.stale_seconds;
    name->is_failing = false;
}

static void set_failed(struct dns_name *name, enum dns_outcome outcome)
{
    bool is_absent = outcome == DNS_ABSENT;
    double now = loop_monotonic(name->resolver->loop);

    name->kept_until = now + (is_absent ? ABSENT_SECONDS : FAILED_SECONDS);
    if (!is_absent && has_stale(name)) {
        if (!name->is_failing)
            log_write(LOG_WARNING, "no name server tells about %s: its last addresses stay in use",
                      name->host);
        name->is_failing = true;
        return;
    }
    set_addresses(name, NULL, 0);
    name->fault = outcome == DNS_TIMED_OUT ? FAULT_UPSTREAM_DNS_TIMEOUT : FAULT_UPSTREAM_DNS;
    name->is_failing = false;
}

static void on_looked_up(void *data, const struct dns_result *result)
{
    struct dns_name *name = data;

    assert(name->is_asked);
    name->is_asked = name->is_late = false;
    if (result->outcome == DNS_FOUND)
        set_found(name, result);
    else
        set_failed(name, result->outcome);
    answer_waiting(name);
}

static struct settings settings_of(const struct resolver_options *options)
{
    return (struct settings){
        .servers = mem_string(options->servers),
        .timeout = options->timeout,
        .stale_seconds = options->stale_seconds > 0 ? options->stale_seconds : STALE_SECONDS,
    };
}

struct resolver *resolver_create(struct loop *loop, const struct resolver_options *options)
{
    struct dns_channel *channel = dns_channel_create(loop, options);
    if (channel == NULL)
        return NULL;

    struct resolver *resolver = mem_zeroed(sizeof(*resolver));
    resolver->loop = loop;
    resolver->channel = channel;
    resolver->settings = settings_of(options);
    resolver->answering.run = answer_ready;
    list_init(&resolver->answering.node);
    list_init(&resolver->ready);
    dns_names_init(&resolver->names);
    return resolver;
}

static void forget_prepared(struct resolver *resolver)
{
    if (resolver->next_channel != NULL)
        dns_channel_destroy(&resolver->next_channel);
    free(resolver->next_settings.servers);
    resolver->next_settings.servers = NULL;
}

static bool asks_in_the_same_way(const struct resolver *resolver,
                                 const struct resolver_options *options)
{
    const struct settings *settings = &resolver->settings;
    bool has_servers = settings->servers != NULL && options->servers != NULL;

    return settings->timeout == options->timeout &&
           (has_servers ? strcmp(settings->servers, options->servers) == 0
                        : settings->servers == options->servers);
}

bool resolver_prepare(struct resolver *resolver, const struct resolver_options *options)
{
    forget_prepared(resolver);
    if (!asks_in_the_same_way(resolver, options)) {
        resolver->next_channel = dns_channel_create(resolver->loop, options);
        if (resolver->next_channel == NULL)
            return false;
    }
    resolver->next_settings = settings_of(options);
    return true;
}

/* Whom nobody will answer any more. */
static void ask_again(struct resolver *resolver)
{
    struct list *names = &resolver->names.by_recency;

    for (struct list *node = names->next; node != names; node = node->next) {
        struct dns_name *name = CONTAINER_OF(node, struct dns_name, recency);
        if (name->is_asked)
            dns_channel_lookup(resolver->channel, name->host, on_looked_up, name);
    }
}

void resolver_configure(struct resolver *resolver)
{
    free(resolver->settings.servers);
    resolver->settings = resolver->next_settings;
    resolver->next_settings.servers = NULL;
    if (resolver->next_channel == NULL)
        return;
    dns_channel_destroy(&resolver->channel);
    resolver->channel = resolver->next_channel;
    resolver->next_channel = NULL;
    ask_again(resolver);
}

static void drop_queries(struct list *queries)
{
    while (!list_is_empty(queries))
        query_free(CONTAINER_OF(queries->next, struct resolver_query, node));
}

void resolver_destroy(struct resolver **resolver)
{
    struct resolver *gone = *resolver;
    struct list *names = &gone->names.by_recency;

    *resolver = NULL;
    dns_channel_destroy(&gone->channel);
    forget_prepared(gone);
    free(gone->settings.servers);
    drop_queries(&gone->ready);
    for (struct list *node = names->next; node != names; node = node->next)
        drop_queries(&CONTAINER_OF(node, struct dns_name, recency)->waiting);
    list_remove(&gone->answering.node);
    dns_names_clear(&gone->names);
    free(gone);
}

/*
 * Whether there is an answer now: one that is kept, one that came at once, or a stale one while
 * servers are silent.
 */
static bool has_answer(struct resolver *resolver, struct dns_name *name)
{
    double now = loop_monotonic(resolver->loop);

    if (now < name->kept_until)
        return true;
    if (!name->is_asked) {
        name->is_asked = true;
        dns_channel_lookup(resolver->channel, name->host, on_looked_up, name);
    }
    return now < name->kept_until || ((name->is_failing || name->is_late) && has_stale(name));
}

static struct resolver_query *wait_for(struct dns_name *name, uint16_t port,
                                       resolver_answered *answered, void *data)
{
    struct resolver_query *query = mem_zeroed(sizeof(*query));

    query->name = name;
    query->port = port;
    query->answered = answered;
    query->data = data;
    if (has_stale(name) && list_is_empty(&name->waiting))
        timeout_set(&name->patience, PATIENCE_SECONDS);
    list_push_back(&name->waiting, &query->node);
    name->query_count++;
    return query;
}

struct resolver_query *resolver_ask(struct resolver *resolver, const char *host, uint16_t port,
                                    resolver_answered *answered, void *data)
{
    struct address address;

    if (address_parse_host(slice_from_string(host), port, &address)) {
        answered(data, FAULT_NONE, &address, 1);
        return NULL;
    }
    struct dns_name *name = dns_names_get(&resolver->names, host);
    if (name == NULL) {
        answered(data, FAULT_UPSTREAM_DNS, NULL, 0);
        return NULL;
    }
    if (name->resolver == NULL) {
        name->resolver = resolver;
        timeout_init(&name->patience, resolver->loop, on_patience_over, name);
    }
    if (!has_answer(resolver, name))
        return wait_for(name, port, answered, data);
    tell(name, port, answered, data);
    return NULL;
}

void resolver_cancel(struct resolver_query **query)
{
    if (*query == NULL)
        return;
    query_free(*query);
    *query = NULL;
}

struct dns_channel *resolver_channel(const struct resolver *resolver)
{
    return resolver->channel;
}
