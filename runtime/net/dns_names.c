/*
 * dns_names — a hash table of names, with the order in which they were used.
 */
#include "net/dns_names.h"

#include <assert.h>

#include "base/mem.h"

/* Printable ASCII, lower case; false when it is nothing that could be asked for. */
static bool normalize(const char *host, char normal[DNS_NAME_BYTES_MAX + 1])
{
    size_t length = strnlen(host, DNS_NAME_BYTES_MAX + 1);

    if (length == 0 || length > DNS_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (host[i] <= ' ' || host[i] > '~')
            return false;
        normal[i] = slice_lower(host[i]);
    }
    normal[length] = '\0';
    return true;
}

static struct dns_name **bucket_of(struct dns_names *names, const char *host)
{
    uint32_t hash = 2166136261U; /* FNV-1a: names come from the configuration, not from clients */

    for (; *host != '\0'; host++)
        hash = (hash ^ (unsigned char)*host) * 16777619U;
    return &names->buckets[hash % DNS_NAMES_BUCKETS];
}

static struct dns_name *find(struct dns_names *names, const char *host)
{
    struct dns_name *name = *bucket_of(names, host);
    while (name != NULL && strcmp(name->host, host) != 0)
        name = name->next_in_bucket;
    return name;
}

static void remove_name(struct dns_names *names, struct dns_name *name)
{
    struct dns_name **link = bucket_of(names, name->host);

    while (*link != name)
        link = &(*link)->next_in_bucket;
    *link = name->next_in_bucket;
    list_remove(&name->recency);
    names->count--;
    if (name->patience.loop != NULL)
        timeout_stop(&name->patience);
    free(name->addresses);
    free(name);
}

/*
 * Makes room by forgetting the name that was not used for longest, of those that nobody waits
 * for.
 */
static bool make_room(struct dns_names *names)
{
    struct list *node = names->by_recency.prev;

    for (; names->count == RESOLVER_NAMES_MAX && node != &names->by_recency; node = node->prev) {
        struct dns_name *name = CONTAINER_OF(node, struct dns_name, recency);
        if (!name->is_asked && name->query_count == 0) {
            remove_name(names, name);
            return true;
        }
    }
    return names->count < RESOLVER_NAMES_MAX;
}

static struct dns_name *add(struct dns_names *names, const char *host)
{
    struct dns_name **bucket = bucket_of(names, host);
    struct dns_name *name = mem_zeroed(sizeof(*name));

    memcpy(name->host, host, strlen(host) + 1);
    list_init(&name->waiting);
    list_init(&name->recency);
    name->next_in_bucket = *bucket;
    *bucket = name;
    names->count++;
    return name;
}

void dns_names_init(struct dns_names *names)
{
    *names = (struct dns_names){.count = 0};
    list_init(&names->by_recency);
}

void dns_names_clear(struct dns_names *names)
{
    while (!list_is_empty(&names->by_recency))
        remove_name(names, CONTAINER_OF(names->by_recency.next, struct dns_name, recency));
    assert(names->count == 0);
}

struct dns_name *dns_names_get(struct dns_names *names, const char *host)
{
    char normal[DNS_NAME_BYTES_MAX + 1];

    if (!normalize(host, normal))
        return NULL;
    struct dns_name *name = find(names, normal);
    if (name == NULL && !make_room(names))
        return NULL;
    if (name == NULL)
        name = add(names, normal);
    list_remove(&name->recency);
    list_push_front(&names->by_recency, &name->recency);
    return name;
}
