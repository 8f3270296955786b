/*
 * host_memory — one place for each length.
 */
#include "http/host_memory.h"

static bool is_plain_host(struct slice host)
{
    for (size_t i = 0; i < host.length; i++) {
        if (slice_lower(host.start[i]) != host.start[i])
            return false;
    }
    return host.length > 0 && host.start[host.length - 1] != '.';
}

static void recall(const struct host_memory_place *place, struct slice authority,
                   struct uri_authority *parts, bool *is_plain)
{
    *parts = place->parts;
    parts->host.start = authority.start + (place->parts.host.start - place->text);
    *is_plain = place->is_plain;
}

static void remember(struct host_memory_place *place, struct slice authority,
                     const struct uri_authority *parts, bool is_plain)
{
    memcpy(place->text, authority.start, authority.length);
    place->length = (uint8_t)authority.length;
    place->is_plain = is_plain;
    place->parts = *parts;
    place->parts.host.start = place->text + (parts->host.start - authority.start);
}

bool host_memory_parse(struct host_memory *memory, struct slice authority,
                       struct uri_authority *parts, bool *is_plain)
{
    struct host_memory_place *place = NULL;

    if (memory != NULL && authority.length > 0 && authority.length <= HOST_MEMORY_BYTES_MAX) {
        place = &memory->places[authority.length % HOST_MEMORY_MAX];
        if (slice_equals(slice_of(place->text, place->length), authority)) {
            recall(place, authority, parts, is_plain);
            return true;
        }
    }
    if (!uri_parse_authority(authority, parts))
        return false;
    *is_plain = is_plain_host(parts->host);
    if (place != NULL)
        remember(place, authority, parts, *is_plain);
    return true;
}
