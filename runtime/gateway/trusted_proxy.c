/*
 * trusted_proxy — walks X-Forwarded-For from the right.
 */
#include "gateway/trusted_proxy.h"

/* Entries beyond this many are not looked at: the last one reached is taken. */
#define HOPS_MAX 32

bool trusted_proxy_has(const struct gateway_options *options, const struct address *address)
{
    for (size_t i = 0; i < options->trusted_proxy_count; i++) {
        if (address_block_contains(&options->trusted_proxies[i], address))
            return true;
    }
    return false;
}

/* Takes the last element off a comma-separated list. */
static bool take_last(struct slice *list, struct slice *element)
{
    while (list->length > 0) {
        size_t start = list->length;
        while (start > 0 && list->start[start - 1] != ',')
            start--;
        *element = slice_trimmed(slice_after(*list, start));
        list->length = start > 0 ? start - 1 : 0;
        if (element->length > 0)
            return true;
    }
    return false;
}

/* An entry is an address, maybe with a port or in brackets; not a port alone, not a path. */
static bool parse_entry(struct slice entry, struct address *address)
{
    if (address_parse_host(entry, 0, address))
        return true;
    if (address_parse(entry, address))
        return address->any.sa_family != AF_UNIX && !address->both_families;
    if (entry.length > 2 && entry.start[0] == '[' && entry.start[entry.length - 1] == ']')
        return address_parse_host(slice_of(entry.start + 1, entry.length - 2), 0, address);
    return false;
}

struct slice trusted_proxy_client(const struct gateway_options *options,
                                  const struct downstream *connection,
                                  const struct headers *headers, struct arena *arena)
{
    struct slice client = downstream_client(connection);
    char text[ADDRESS_TEXT_BYTES];

    if (!connection->is_trusted)
        return client;
    /* Proxies add to a field or add fields of their own. */
    struct slice list = headers_joined(headers, arena, header_name_of(HEADER_X_FORWARDED_FOR));
    struct slice entry;
    for (int hops = 0; hops < HOPS_MAX && take_last(&list, &entry); hops++) {
        struct address address;
        if (!parse_entry(entry, &address))
            break;
        client = arena_copy(arena, address_format_host(&address, text));
        if (!trusted_proxy_has(options, &address))
            break;
    }
    return client;
}
