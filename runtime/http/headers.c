/*
 * headers — an array in the arena, searched from its start.
 *
 * Messages have ten to thirty fields: comparing ids along an array beats any index.
 */
#include "http/headers.h"

#include <assert.h>

#include "base/put.h"
#include "http/octet.h"

#define CAPACITY_FIRST 16

static bool is_present(const struct header *header)
{
    return header->name.start != NULL;
}

static bool is_named(const struct header *header, enum header_id id, struct slice name)
{
    if (!is_present(header) || header->id != id)
        return false;
    return id != HEADER_OTHER || slice_equals_ignoring_case(header->name, name);
}

static void squeeze(struct headers *headers)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        if (is_present(&headers->items[i]))
            headers->items[kept++] = headers->items[i];
    }
    headers->count = kept;
}

static void grow(struct headers *headers, struct arena *arena)
{
    uint32_t capacity = headers->capacity > 0 ? headers->capacity * 2 : CAPACITY_FIRST;
    if (capacity > HEADERS_MAX)
        capacity = HEADERS_MAX;
    struct header *items = arena_alloc(arena, capacity * sizeof(*items));
    if (headers->count > 0)
        memcpy(items, headers->items, headers->count * sizeof(*items));
    headers->items = items;
    headers->capacity = capacity;
}

static OUT_OF_LINE bool make_room(struct headers *headers, struct arena *arena)
{
    assert(headers->count <= headers->capacity);
    if (headers->count == headers->capacity)
        squeeze(headers);
    if (headers->count == HEADERS_MAX)
        return false;
    if (headers->count == headers->capacity)
        grow(headers, arena);
    return true;
}

static bool add(struct headers *headers, struct arena *arena, const struct header *header)
{
    if (headers->count == headers->capacity && !make_room(headers, arena))
        return false;
    headers->items[headers->count++] = *header;
    headers->ids |= HEADERS_BIT(header->id);
    headers->bytes += headers_line_bytes(header);
    return true;
}

static void drop(struct headers *headers, struct header *header)
{
    headers->bytes -= headers_line_bytes(header);
    header->name = SLICE_NONE;
}

bool headers_add_field(struct headers *headers, struct arena *arena, const struct header *field)
{
    assert(field->name.start != NULL);
    return add(headers, arena, field);
}

bool headers_add(struct headers *headers, struct arena *arena, struct slice name,
                 struct slice value)
{
    assert(name.start != NULL);
    return add(headers, arena,
               &(struct header){.name = name, .value = value, .id = header_id_of(name)});
}

bool headers_add_known(struct headers *headers, struct arena *arena, enum header_id id,
                       struct slice value)
{
    assert(id != HEADER_OTHER);
    return add(headers, arena,
               &(struct header){.name = header_name_of(id), .value = value, .id = id});
}

static struct header *find_from(const struct headers *headers, uint32_t from, enum header_id id,
                                struct slice name)
{
    if ((headers->ids & HEADERS_BIT(id)) == 0)
        return NULL;
    for (uint32_t i = from; i < headers->count; i++) {
        if (is_named(&headers->items[i], id, name))
            return &headers->items[i];
    }
    return NULL;
}

static size_t remove_from(struct headers *headers, uint32_t from, enum header_id id,
                          struct slice name)
{
    size_t removed = 0;
    if ((headers->ids & HEADERS_BIT(id)) == 0)
        return 0;
    for (uint32_t i = from; i < headers->count; i++) {
        if (!is_named(&headers->items[i], id, name))
            continue;
        drop(headers, &headers->items[i]);
        removed++;
    }
    return removed;
}

static uint32_t index_of(const struct headers *headers, const struct header *header)
{
    assert(header >= headers->items && header < headers->items + headers->count);
    return (uint32_t)(header - headers->items);
}

static bool set(struct headers *headers, struct arena *arena, const struct header *header)
{
    struct header *first = find_from(headers, 0, header->id, header->name);
    if (first == NULL)
        return add(headers, arena, header);
    remove_from(headers, index_of(headers, first) + 1, header->id, header->name);
    headers->bytes += headers_line_bytes(header) - headers_line_bytes(first);
    *first = *header;
    return true;
}

bool headers_set_field(struct headers *headers, struct arena *arena, const struct header *field)
{
    assert(field->name.start != NULL);
    return set(headers, arena, field);
}

bool headers_set(struct headers *headers, struct arena *arena, struct slice name,
                 struct slice value)
{
    assert(name.start != NULL);
    return set(headers, arena,
               &(struct header){.name = name, .value = value, .id = header_id_of(name)});
}

bool headers_set_known(struct headers *headers, struct arena *arena, enum header_id id,
                       struct slice value)
{
    assert(id != HEADER_OTHER);
    return set(headers, arena,
               &(struct header){.name = header_name_of(id), .value = value, .id = id});
}

size_t headers_remove(struct headers *headers, struct slice name)
{
    return remove_from(headers, 0, header_id_of(name), name);
}

size_t headers_remove_key(struct headers *headers, struct header_key key)
{
    return remove_from(headers, 0, key.id, key.name);
}

size_t headers_remove_known(struct headers *headers, enum header_id id)
{
    assert(id != HEADER_OTHER);
    return remove_from(headers, 0, id, SLICE_NONE);
}

static char folded(char octet)
{
    if (octet == '_')
        return '-';
    return octet >= 'A' && octet <= 'Z' ? (char)(octet | 0x20) : octet;
}

static bool begins_with(struct slice name, struct slice prefix)
{
    if (name.length < prefix.length)
        return false;
    for (size_t i = 0; i < prefix.length; i++) {
        if (folded(name.start[i]) != folded(prefix.start[i]))
            return false;
    }
    return true;
}

static size_t remove_alike(struct headers *headers, struct slice prefix, size_t length_max)
{
    size_t removed = 0;
    for (uint32_t i = 0; i < headers->count; i++) {
        struct header *item = &headers->items[i];
        if (item->name.start == NULL || item->name.length > length_max ||
            (header_flags_of(item->id) & HEADER_FRAMING) != 0 || !begins_with(item->name, prefix))
            continue;
        drop(headers, item);
        removed++;
    }
    return removed;
}

size_t headers_remove_prefix(struct headers *headers, struct slice prefix)
{
    return remove_alike(headers, prefix, SIZE_MAX);
}

size_t headers_remove_alike(struct headers *headers, struct slice name)
{
    return remove_alike(headers, name, name.length);
}

const struct header *headers_find(const struct headers *headers, struct slice name)
{
    return find_from(headers, 0, header_id_of(name), name);
}

const struct header *headers_find_known(const struct headers *headers, enum header_id id)
{
    assert(id != HEADER_OTHER);
    return find_from(headers, 0, id, SLICE_NONE);
}

const struct header *headers_find_next(const struct headers *headers, const struct header *header)
{
    return find_from(headers, index_of(headers, header) + 1, header->id, header->name);
}

struct slice headers_joined(const struct headers *headers, struct arena *arena, struct slice name)
{
    return headers_joined_key(headers, arena, (struct header_key){name, header_id_of(name)});
}

struct slice headers_joined_key(const struct headers *headers, struct arena *arena,
                                struct header_key key)
{
    const struct header *first = find_from(headers, 0, key.id, key.name);
    if (first == NULL)
        return SLICE_NONE;
    const struct header *next = headers_find_next(headers, first);
    if (next == NULL)
        return first->value;

    size_t length = first->value.length;
    for (const struct header *h = next; h != NULL; h = headers_find_next(headers, h))
        length += 2 + h->value.length;
    char *joined = arena_alloc(arena, length);
    char *end = joined;
    for (const struct header *h = first; h != NULL; h = headers_find_next(headers, h)) {
        if (h != first)
            end = (char *)memcpy(end, ", ", 2) + 2;
        if (h->value.length > 0)
            end = (char *)memcpy(end, h->value.start, h->value.length) + h->value.length;
    }
    return slice_of(joined, length);
}

void headers_copy(struct headers *target, const struct headers *source, struct arena *arena)
{
    headers_copy_without(target, source, arena, 0);
}

void headers_copy_without(struct headers *target, const struct headers *source, struct arena *arena,
                          uint64_t without)
{
    uint32_t capacity = source->count > CAPACITY_FIRST ? source->count : CAPACITY_FIRST;
    *target = (struct headers){
        .items = arena_alloc(arena, capacity * sizeof(struct header)),
        .capacity = capacity,
    };
    for (uint32_t i = 0; i < source->count; i++) {
        const struct header *header = &source->items[i];
        if (!is_present(header) || (HEADERS_BIT(header->id) & without) != 0)
            continue;
        target->items[target->count++] = *header;
        target->bytes += headers_line_bytes(header);
    }
    target->ids = source->ids & ~without;
}

static void keep_as_line(struct header *header, struct arena *arena)
{
    char *line = arena_alloc(arena, headers_line_bytes(header));
    char *value = put(put(line, header->name), SLICE(": "));

    put(put(value, header->value), SLICE("\r\n"));
    header->name.start = line;
    header->value.start = value;
    header->is_line = true;
}

void headers_keep(struct headers *headers, struct arena *arena)
{
    for (uint32_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        if (is_present(header) && !header->is_line)
            keep_as_line(header, arena);
    }
}

bool headers_is_name(struct slice name)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!octet_is(name.start[i], OCTET_TOKEN))
            return false;
    }
    return name.length > 0;
}

bool headers_is_value(struct slice value)
{
    const char *end = value.start + value.length;
    return octet_value_end(value.start, end) == end && slice_trimmed(value).length == value.length;
}

/* Connection may nominate itself: all its lines are still to be read. */
static void remove_nominated(struct headers *headers, struct slice name)
{
    enum header_id id = header_id_of(name);
    if (id != HEADER_CONNECTION && (header_flags_of(id) & HEADER_END_TO_END) == 0)
        remove_from(headers, 0, id, name);
}

/* What most of them say; Keep-Alive goes anyway. */
static bool nominates_keep_alive_alone(const struct header *connection)
{
    return slice_is_token(connection->value, SLICE("keep-alive"));
}

#define BIT_WHERE_HOP_BY_HOP(id, name, flags) \
    | (((flags)&HEADER_HOP_BY_HOP) != 0 ? HEADERS_BIT(HEADER_##id) : 0)
static const uint64_t HOP_BY_HOP = 0 HEADER_NAMES(BIT_WHERE_HOP_BY_HOP);
#undef BIT_WHERE_HOP_BY_HOP

void headers_remove_hop_by_hop(struct headers *headers)
{
    if ((headers->ids & HOP_BY_HOP) == 0)
        return;
    for (uint32_t i = 0; i < headers->count; i++) {
        struct header *header = &headers->items[i];
        struct slice rest = header->value, nominated;
        if (!is_present(header) || (header_flags_of(header->id) & HEADER_HOP_BY_HOP) == 0)
            continue;
        if (header->id == HEADER_CONNECTION && !nominates_keep_alive_alone(header))
            while (slice_next_element(&rest, &nominated))
                remove_nominated(headers, nominated);
        drop(headers, header);
    }
}
